#include "doorbell_binding.h"

#include "binding_support.h"

#include <cerrno>
#include <memory>
#include <new>
#include <string>

struct DoorbellBinding::State {
  DoorbellBinding* owner;
  platform::Bell* bell = nullptr;
  napi_env env;
  Napi::Reference<Napi::Uint32Array> tokens;
  uint32_t* room;  // the tokens' memory, kept by the reference
  size_t room_length;
  Napi::FunctionReference callback;
  std::unique_ptr<Napi::AsyncContext> context;
  // Makes the environment's end wait until the loop has let go of the bell.
  napi_async_cleanup_hook_handle hook = nullptr;

  void Close();
  static void OnRung(void* context);
};

Napi::Function DoorbellBinding::Define(Napi::Env env) {
  return DefineClass(env, "Doorbell",
                     {
                         InstanceMethod<&DoorbellBinding::Ref>("ref"),
                         InstanceMethod<&DoorbellBinding::Unref>("unref"),
                         InstanceMethod<&DoorbellBinding::Close>("close"),
                     });
}

DoorbellBinding::DoorbellBinding(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<DoorbellBinding>(info) {
  const Napi::Env env = info.Env();
  if (!info[0].IsString() || !info[1].IsTypedArray() || !info[2].IsFunction()) {
    ThrowMisuse(env, "expected a path, a Uint32Array and a function");
    return;
  }
  uv_loop_t* loop = nullptr;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok) {
    ThrowMisuse(env, "this environment has no event loop");
    return;
  }
  auto state = std::unique_ptr<State>(new (std::nothrow) State);
  if (!state) {
    ThrowStatus(env, {ENOMEM, "new"});
    return;
  }
  const std::string path = info[0].As<Napi::String>().Utf8Value();
  const platform::Status status =
      platform::ListenToBell(loop, path.c_str(), State::OnRung, state.get(), &state->bell);
  if (!status.ok()) {
    ThrowStatus(env, status);
    return;
  }

  // From here on the bell refers to the state, which goes after it.
  state_ = state.release();
  state_->owner = this;
  state_->env = env;
  state_->tokens = Napi::Persistent(info[1].As<Napi::Uint32Array>());
  state_->room = info[1].As<Napi::Uint32Array>().Data();
  state_->room_length = info[1].As<Napi::Uint32Array>().ElementLength();
  state_->callback = Napi::Persistent(info[2].As<Napi::Function>());
  state_->context = std::make_unique<Napi::AsyncContext>(env, "mmap-transport doorbell");
  // The environment may end, by terminate() or exit(), before anyone calls close().
  const napi_status hooked = napi_add_async_cleanup_hook(
      env,
      [](napi_async_cleanup_hook_handle, void* arg) {
        State* ending = static_cast<State*>(arg);
        if (ending->owner != nullptr) ending->Close();
      },
      state_, &state_->hook);
  if (hooked != napi_ok) {
    state_->Close();
    ThrowStatus(env, {ENOMEM, "napi_add_async_cleanup_hook"});
  }
}

DoorbellBinding::~DoorbellBinding() {
  if (state_ != nullptr) state_->Close();
}

// Everything of the environment goes now; only the bell waits for its loop.
void DoorbellBinding::State::Close() {
  owner->state_ = nullptr;
  owner = nullptr;
  callback.Reset();
  tokens.Reset();
  context.reset();
  platform::CloseBell(bell, [](void* context) {
    State* closed = static_cast<State*>(context);
    if (closed->hook != nullptr) napi_remove_async_cleanup_hook(closed->hook);
    delete closed;
  });
}

Napi::Value DoorbellBinding::Ref(const Napi::CallbackInfo& info) {
  if (state_ != nullptr) uv_ref(platform::HandleOf(state_->bell));
  return info.Env().Undefined();
}

Napi::Value DoorbellBinding::Unref(const Napi::CallbackInfo& info) {
  if (state_ != nullptr) uv_unref(platform::HandleOf(state_->bell));
  return info.Env().Undefined();
}

Napi::Value DoorbellBinding::Close(const Napi::CallbackInfo& info) {
  if (state_ != nullptr) state_->Close();
  return info.Env().Undefined();
}

// Plain Node-API: a thread that is being terminated refuses every call, which must end
// quietly here, and node-addon-api would make it fatal.
void DoorbellBinding::State::OnRung(void* ringing) {
  State* state = static_cast<State*>(ringing);
  size_t arrived = 0;
  // An error is as good as nothing to read: the next ring tries again.
  const platform::Status status =
      platform::TakeTokens(state->bell, state->room, state->room_length, &arrived);
  if (!status.ok() || arrived == 0) return;

  const napi_env env = state->env;
  const Napi::HandleScope scope(env);
  napi_value global, callback, count, result;
  if (napi_get_global(env, &global) != napi_ok ||
      napi_get_reference_value(env, state->callback, &callback) != napi_ok ||
      napi_create_double(env, static_cast<double>(arrived), &count) != napi_ok) {
    return;
  }
  if (napi_make_callback(env, *state->context, global, callback, 1, &count, &result) !=
      napi_pending_exception) {
    return;
  }
  // No JavaScript called us that could catch it: what the callback threw is uncaught.
  // A termination shows as null.
  napi_value exception;
  napi_valuetype type;
  if (napi_get_and_clear_last_exception(env, &exception) == napi_ok &&
      napi_typeof(env, exception, &type) == napi_ok && type != napi_null) {
    napi_fatal_exception(env, exception);
  }
}
