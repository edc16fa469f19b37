#include "doorbell_binding.h"

#include <memory>
#include <new>
#include <string>

struct DoorbellBinding::State {
  // How many tokens one turn of the loop takes in; more wait for the next turn.
  static constexpr size_t kTokensPerTurn = 1024;

  DoorbellBinding* owner = nullptr;  // null once closed
  platform::Bell* bell = nullptr;
  napi_env env = nullptr;
  napi_ref callback = nullptr;
  // Makes the environment's end wait until the loop has let go of the bell.
  napi_async_cleanup_hook_handle hook = nullptr;
  uint32_t tokens[kTokensPerTurn];

  void Close();
  static void OnRung(void* context);
  bool HandOut(uint32_t token);
};

namespace {

// Closes the scope, whatever happens within it.
class HandleScope {
 public:
  explicit HandleScope(napi_env env) : env_(env) {
    if (napi_open_handle_scope(env, &scope_) != napi_ok) scope_ = nullptr;
  }
  ~HandleScope() {
    if (scope_ != nullptr) (void)napi_close_handle_scope(env_, scope_);
  }
  HandleScope(const HandleScope&) = delete;
  HandleScope& operator=(const HandleScope&) = delete;
  bool open() const { return scope_ != nullptr; }

 private:
  napi_env env_;
  napi_handle_scope scope_ = nullptr;
};

}  // namespace

napi_value DoorbellBinding::Define(napi_env env) {
  return DefineClass<DoorbellBinding>(env, "Doorbell",
                                      {
                                          Method<DoorbellBinding, &DoorbellBinding::Ref>("ref"),
                                          Method<DoorbellBinding, &DoorbellBinding::Unref>("unref"),
                                          Method<DoorbellBinding, &DoorbellBinding::Close>("close"),
                                      });
}

// The callback and the clean-up hook first, the bell last: where any of it is refused, what
// there is already goes away without the loop.
bool DoorbellBinding::Open(const Call& call) {
  const napi_env env = call.env();
  std::string path, making;
  if (!GetString(call, 0, &path) || !GetString(call, 1, &making)) return false;
  uv_loop_t* loop = nullptr;
  if (!HasType(env, call.argument(2), napi_function) ||
      napi_get_uv_event_loop(env, &loop) != napi_ok) {
    ThrowMisuse(env, "expected a function, in an environment with an event loop");
    return false;
  }
  auto state = std::unique_ptr<State>(new (std::nothrow) State);
  if (!state) {
    ThrowStatus(env, {ENOMEM, "new"});
    return false;
  }
  state->env = env;
  if (napi_create_reference(env, call.argument(2), 1, &state->callback) != napi_ok) return false;
  // The environment may end, by terminate() or exit(), before anyone calls close().
  const napi_status hooked = napi_add_async_cleanup_hook(
      env,
      [](napi_async_cleanup_hook_handle, void* arg) {
        State* ending = static_cast<State*>(arg);
        if (ending->owner != nullptr) ending->Close();
      },
      state.get(), &state->hook);
  if (hooked != napi_ok) {
    (void)napi_delete_reference(env, state->callback);
    return false;
  }
  const platform::Status status =
      platform::ListenToBell(loop, path, making, State::OnRung, state.get(), &state->bell);
  if (!status.ok()) {
    (void)napi_remove_async_cleanup_hook(state->hook);
    (void)napi_delete_reference(env, state->callback);
    ThrowStatus(env, status);
    return false;
  }
  // From here on the bell refers to the state, which goes after it.
  state_ = state.release();
  state_->owner = this;
  return true;
}

DoorbellBinding::~DoorbellBinding() {
  if (state_ != nullptr) state_->Close();
}

// Everything of the environment goes now; only the bell waits for its loop.
void DoorbellBinding::State::Close() {
  owner->state_ = nullptr;
  owner = nullptr;
  (void)napi_delete_reference(env, callback);
  callback = nullptr;
  platform::CloseBell(bell, [](void* context) {
    const std::unique_ptr<State> closed(static_cast<State*>(context));
    (void)napi_remove_async_cleanup_hook(closed->hook);
  });
}

napi_value DoorbellBinding::Ref(const Call& call) {
  if (state_ != nullptr) uv_ref(platform::HandleOf(state_->bell));
  return Undefined(call.env());
}

napi_value DoorbellBinding::Unref(const Call& call) {
  if (state_ != nullptr) uv_unref(platform::HandleOf(state_->bell));
  return Undefined(call.env());
}

napi_value DoorbellBinding::Close(const Call& call) {
  if (state_ != nullptr) state_->Close();
  return Undefined(call.env());
}

// A callback may close the bell; the state itself stays until a later turn of the loop.
void DoorbellBinding::State::OnRung(void* ringing) {
  State* state = static_cast<State*>(ringing);
  size_t arrived = 0;
  // An error counts as nothing to read: the next ring tries again.
  const platform::Status status =
      platform::TakeTokens(state->bell, state->tokens, kTokensPerTurn, &arrived);
  if (!status.ok()) return;
  for (size_t i = 0; i < arrived && state->owner != nullptr; i++) {
    if (!state->HandOut(state->tokens[i])) return;
  }
}

// False where the environment is about to end. The callback runs in no asynchronous context: a new
// object for each call, so that nothing a listener leaves in it reaches the next one.
bool DoorbellBinding::State::HandOut(uint32_t token) {
  const HandleScope scope(env);
  napi_value function, receiver, argument;
  if (!scope.open() || napi_get_reference_value(env, callback, &function) != napi_ok ||
      napi_create_object(env, &receiver) != napi_ok ||
      napi_create_uint32(env, token, &argument) != napi_ok) {
    return false;
  }
  const napi_status called =
      napi_make_callback(env, nullptr, receiver, function, 1, &argument, nullptr);
  if (called == napi_ok) return true;
  // No JavaScript called us that could catch it: what the callback threw is uncaught. Without
  // an exception the call was refused.
  bool threw = false;
  napi_value exception;
  return napi_is_exception_pending(env, &threw) == napi_ok && threw &&
         napi_get_and_clear_last_exception(env, &exception) == napi_ok &&
         napi_fatal_exception(env, exception) == napi_ok;
}
