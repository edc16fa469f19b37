#include "binding_support.h"

namespace {

bool NewError(napi_env env, const char* message, napi_value* out) {
  napi_value text = NewString(env, message);
  return text != nullptr && napi_create_error(env, nullptr, text, out) == napi_ok;
}

napi_property_descriptor Value(const char* name, napi_value value) {
  return {name, nullptr, nullptr, nullptr, nullptr, value, napi_default_jsproperty, nullptr};
}

}  // namespace

// Properties are defined, not assigned: a program may have frozen the prototypes.
void ThrowStatus(napi_env env, const platform::Status& status) {
  napi_value error;
  napi_value number = NewNumber(env, status.error);
  napi_value call = NewString(env, status.call);
  if (number == nullptr || call == nullptr || !NewError(env, status.call, &error)) return;
  const napi_property_descriptor properties[] = {Value("errno", number), Value("syscall", call)};
  if (napi_define_properties(env, error, 2, properties) == napi_ok) (void)napi_throw(env, error);
}

void ThrowMisuse(napi_env env, const char* message) {
  (void)napi_throw_type_error(env, nullptr, message);
}

void ThrowUnsupported(napi_env env, const char* message) {
  napi_value error;
  napi_value code = NewString(env, "ERR_UNSUPPORTED");
  if (code == nullptr || !NewError(env, message, &error)) return;
  const napi_property_descriptor property = Value("code", code);
  if (napi_define_properties(env, error, 1, &property) == napi_ok) (void)napi_throw(env, error);
}

bool HasType(napi_env env, napi_value value, napi_valuetype type) {
  napi_valuetype found;
  return value != nullptr && napi_typeof(env, value, &found) == napi_ok && found == type;
}

bool GetNumber(const Call& call, size_t index, double* out) {
  if (napi_get_value_double(call.env(), call.argument(index), out) == napi_ok) return true;
  ThrowMisuse(call.env(), "expected a number");
  return false;
}

bool GetWord(const Call& call, size_t index, uint32_t* out) {
  if (napi_get_value_uint32(call.env(), call.argument(index), out) == napi_ok) return true;
  ThrowMisuse(call.env(), "expected a number");
  return false;
}

bool GetOffset(const Call& call, size_t index, uint64_t* out) {
  double value;
  if (napi_get_value_double(call.env(), call.argument(index), &value) == napi_ok && value >= 0 &&
      value <= 9007199254740991.0) {
    *out = static_cast<uint64_t>(value);
    if (static_cast<double>(*out) == value) return true;
  }
  ThrowMisuse(call.env(), "expected a non-negative safe integer");
  return false;
}

bool GetString(const Call& call, size_t index, std::string* out) {
  size_t length = 0;
  const napi_value value = call.argument(index);
  if (napi_get_value_string_utf8(call.env(), value, nullptr, 0, &length) == napi_ok) {
    out->resize(length);
    // Room for the terminator is there: a std::string always has one.
    if (napi_get_value_string_utf8(call.env(), value, out->data(), length + 1, &length) ==
        napi_ok) {
      return true;
    }
  }
  ThrowMisuse(call.env(), "expected a string");
  return false;
}

bool GetPath(const Call& call, size_t index, std::string* out) {
  if (!GetString(call, index, out)) return false;
  if (out->find('\0') == out->npos) return true;
  ThrowMisuse(call.env(), "a path has no NUL");
  return false;
}

napi_value Undefined(napi_env env) {
  napi_value result;
  return napi_get_undefined(env, &result) == napi_ok ? result : nullptr;
}

napi_value NewNumber(napi_env env, double value) {
  napi_value result;
  return napi_create_double(env, value, &result) == napi_ok ? result : nullptr;
}

napi_value NewBoolean(napi_env env, bool value) {
  napi_value result;
  return napi_get_boolean(env, value, &result) == napi_ok ? result : nullptr;
}

napi_value NewString(napi_env env, const char* value) {
  napi_value result;
  const napi_status status = napi_create_string_utf8(env, value, NAPI_AUTO_LENGTH, &result);
  return status == napi_ok ? result : nullptr;
}

napi_value Done(const Call& call, const platform::Status& status) {
  if (status.ok()) return Undefined(call.env());
  ThrowStatus(call.env(), status);
  return nullptr;
}
