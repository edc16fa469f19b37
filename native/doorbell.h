// Doorbells: what wakes the event loop of a thread when another thread or process rings.
//
// Each ring carries a 32-bit token. Everything here reports failure as a Status, belongs to
// the loop's thread, and knows libuv but not Node-API.
#pragma once

#include "platform.h"

#include <memory>
#include <uv.h>

namespace platform {

// The listening end. It lies in memory of its own, because libuv lets go of its handle
// only some turns after it was closed.
struct Bell;

using BellCallback = void (*)(void* context);

// Makes a bell known as `path` and listens. `rung` is called from the loop when tokens may
// have come; the bell does not keep the loop alive. EEXIST and EAGAIN: the name is taken,
// or was removed before it could be locked; the caller can try a new name.
Status ListenToBell(uv_loop_t* loop, const char* path, BellCallback rung, void* context,
                    Bell** out);
// To ref and unref.
uv_handle_t* HandleOf(Bell* bell);
// Takes what tokens have come, at most `room`; `rung` is called again for the rest.
Status TakeTokens(Bell* bell, uint32_t* tokens, size_t room, size_t* arrived);
// Ends the bell, its name included. `closed` is called from the loop, and the bell is gone.
void CloseBell(Bell* bell, BellCallback closed);

// The ringing end, for any thread or process of this user.
struct DoorbellRinger;

struct DoorbellRingerCloser {
  void operator()(DoorbellRinger* pull) const;
};
using DoorbellRingerOwner = std::unique_ptr<DoorbellRinger, DoorbellRingerCloser>;

// Opens it without waiting; empty where nobody listens any more. EINVAL: what has this name
// is no bell of this user's.
Status OpenDoorbellRinger(const char* path, DoorbellRingerOwner* out);
// `*rung` is false where nobody listens any more. A token that finds no room counts as rung,
// since its listener has yet to wake.
Status Ring(DoorbellRinger* pull, uint32_t token, bool* rung);

}  // namespace platform
