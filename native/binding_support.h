// What every binding file needs of Node-API.
//
// The C interface itself, and no wrapper around it. A worker thread may be terminated at any
// moment, from then on every call may be refused, and a wrapper such as node-addon-api ends the
// process where it cannot report that. Here each status is checked, and where a call is refused
// the function returns nothing: no JavaScript of that thread will ever see the result.
#pragma once

#include "platform.h"

#include <cerrno>
#include <memory>
#include <new>
#include <node_api.h>
#include <string>

// What a function was called with.
class Call {
 public:
  static constexpr size_t kMostArguments = 6;

  Call(napi_env env, napi_callback_info info) : env_(env) {
    size_t room = kMostArguments;
    ok_ = napi_get_cb_info(env, info, &room, arguments_, &self_, nullptr) == napi_ok;
    count_ = ok_ ? room : 0;
  }

  bool ok() const { return ok_; }
  napi_env env() const { return env_; }
  napi_value self() const { return self_; }
  // How many were passed, even if that is more than there is room for.
  size_t count() const { return count_; }
  // Undefined where it was not passed; null only where the call itself is not `ok`.
  napi_value argument(size_t index) const { return arguments_[index]; }

 private:
  napi_env env_;
  napi_value arguments_[kMostArguments] = {};
  napi_value self_ = nullptr;
  size_t count_ = 0;
  bool ok_ = false;
};

// Throws an Error with `errno` and `syscall`; src/native/addon.ts names the code.
void ThrowStatus(napi_env env, const platform::Status& status);
// A mistake of our own TypeScript, not of a user: the types there should exclude it.
void ThrowMisuse(napi_env env, const char* message);
// An Error with the code ERR_UNSUPPORTED.
void ThrowUnsupported(napi_env env, const char* message);

// Each returns false unless the argument is of that type, and has thrown then if it could.
bool GetOffset(const Call& call, size_t index, uint64_t* out);  // whole, 0 to 2^53 - 1
bool GetNumber(const Call& call, size_t index, double* out);
bool GetWord(const Call& call, size_t index, uint32_t* out);  // signed or not, its 32 bits
// Its bytes in UTF-8, which may contain NUL.
bool GetString(const Call& call, size_t index, std::string* out);
// The same, without NUL.
bool GetPath(const Call& call, size_t index, std::string* out);
bool HasType(napi_env env, napi_value value, napi_valuetype type);

// Null where the environment no longer makes any.
napi_value Undefined(napi_env env);
napi_value NewNumber(napi_env env, double value);
napi_value NewBoolean(napi_env env, bool value);
napi_value NewString(napi_env env, const char* value);

// The undefined that a function without a result returns; where it failed, it throws.
napi_value Done(const Call& call, const platform::Status& status);

// `constructor` of a class whose objects each own a T. T::Open(call) is the constructor proper:
// false where it has thrown, or where the environment is about to end.
template <typename T>
napi_value Construct(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  if (!call.ok()) return nullptr;
  std::unique_ptr<T> object(new (std::nothrow) T);
  if (!object) {
    ThrowStatus(env, {ENOMEM, "new"});
    return nullptr;
  }
  if (!object->Open(call)) return nullptr;
  const napi_status wrapped = napi_wrap(
      env, call.self(), object.get(),
      [](napi_env, void* owned, void*) { delete static_cast<T*>(owned); }, nullptr, nullptr);
  if (wrapped != napi_ok) return nullptr;  // what was opened is closed
  object.release();                        // deleted when collected, or with the environment
  return call.self();
}

template <typename T, napi_value (T::*method)(const Call&)>
napi_value Invoke(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  void* object = nullptr;
  if (!call.ok() || napi_unwrap(env, call.self(), &object) != napi_ok) return nullptr;
  return (static_cast<T*>(object)->*method)(call);
}

template <typename T, napi_value (T::*method)(const Call&)>
napi_property_descriptor Method(const char* name) {
  napi_property_descriptor property{};
  property.utf8name = name;
  property.method = Invoke<T, method>;
  property.attributes = napi_default_method;
  return property;
}

template <typename T, napi_value (T::*method)(const Call&)>
napi_property_descriptor Getter(const char* name) {
  napi_property_descriptor property{};
  property.utf8name = name;
  property.getter = Invoke<T, method>;
  return property;
}

// Null where the environment is about to end.
template <typename T, size_t count>
napi_value DefineClass(napi_env env, const char* name,
                       const napi_property_descriptor (&properties)[count]) {
  napi_value result = nullptr;
  const napi_status status = napi_define_class(env, name, NAPI_AUTO_LENGTH, Construct<T>, nullptr,
                                               count, properties, &result);
  return status == napi_ok ? result : nullptr;
}
