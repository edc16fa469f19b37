// Doorbells: what wakes the event loop of a thread when another thread or process rings.
//
// Each ring carries a 32-bit token. Everything here reports failure as a Status, belongs to
// the loop's thread, and knows libuv but not Node-API.
#pragma once

#include "platform.h"

#include <memory>
#include <string>
#include <string_view>
#include <uv.h>

namespace platform {

// Whether a path can be a doorbell's: absolute, without a NUL that would hide its end, its last
// part `bell-` and 24 hexadecimal digits. Paths come from peers, so every call checks this.
bool IsBellPath(std::string_view path);

// The listening end. It has memory of its own, because libuv lets go of its handle only some turns
// of the loop after it was closed.
struct Bell;

using BellCallback = void (*)(void* context);

// Makes a bell known as `path` and listens. While it is being made it has the name `making`, which
// must be free, and lie in the same directory. `rung` is called from the loop when tokens may have
// come; the bell does not keep the loop alive. EEXIST and EAGAIN: a name was taken, or was removed
// before it could be held; try new names. No failure leaves a name behind.
Status ListenToBell(uv_loop_t* loop, const std::string& path, const std::string& making,
                    BellCallback rung, void* context, Bell** out);
// To ref and unref.
uv_handle_t* HandleOf(Bell* bell);
// Takes the tokens that have come, at most `room`; `rung` is called again for the rest.
Status TakeTokens(Bell* bell, uint32_t* tokens, size_t room, size_t* arrived);
// Ends the bell, its name included. `closed` is called from the loop, and the bell is gone.
void CloseBell(Bell* bell, BellCallback closed);

// The ringing end, for any thread or process of this user.
struct DoorbellRinger;

// Also removes what a killed listener left of its bell.
struct DoorbellRingerCloser {
  void operator()(DoorbellRinger* ringer) const;
};
using DoorbellRingerOwner = std::unique_ptr<DoorbellRinger, DoorbellRingerCloser>;

// Opens it without waiting; empty where nobody listens any more. EINVAL: what has this name is not
// a bell of this user's, and has not been touched.
Status OpenDoorbellRinger(const std::string& path, DoorbellRingerOwner* out);
// `*rung` is false where nobody listens any more. A token that finds no room counts as rung,
// since its listener has yet to wake.
Status Ring(DoorbellRinger* ringer, uint32_t token, bool* rung);

// Whether a bell of that name was left by a listener that was killed, perhaps while it made the
// bell. Once true, it stays true. False where there is none. EINVAL as above.
Status IsBellDead(const std::string& path, bool* dead);

}  // namespace platform
