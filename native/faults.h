// Faults in mapped pages: a file that another program truncated while it was mapped.
#pragma once

#include "platform.h"

#include <atomic>

namespace platform {

// A view under watch. A fault in its pages is answered with a zero page and noted here,
// instead of ending the process.
struct Watch;

// Puts the view under watch; the first call installs the handler. Null where no watch is
// needed: on Windows a mapped file cannot be truncated.
Status WatchFaults(const View& view, Access access, Watch** out);
// Ends the watch, before the view is unmapped.
void Unwatch(Watch* watch);
// Whether a page of the view has been replaced. Null never has.
bool HasFaulted(const Watch* watch);

// Counts what may have changed the state of any mapping of this process: faults, and
// whatever else the layer above adds. JavaScript reads it in place, so that a call on a
// sound mapping costs one load and no native call.
extern std::atomic<uint32_t> state_changes;

}  // namespace platform
