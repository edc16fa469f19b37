// Faults in mapped pages: a file that another program truncated while it was mapped.
#pragma once

#include "platform.h"

#include <atomic>

namespace platform {

// A view under watch. A fault in its pages is answered with zero pages and noted here, instead of
// ending the process. Everything that was lost is replaced at once, so that touching it in any
// order does not use up the mappings that a process may have.
struct Watch;

// Puts the view under watch; the first call installs the handler. Null where it needs none: Windows
// lets nobody cut a mapped file short. `file` shows how much is left of it, as long as it is open.
Status WatchFaults(const View& view, const MapRequest& request, const File& file, Watch** out);
// Before that file is closed.
void ForgetFile(Watch* watch);
// Call it once some of the pages have been protected: macOS reports a forbidden access by the same
// signal.
void NoteProtected(Watch* watch);
// Ends the watch, before the view is unmapped.
void Unwatch(Watch* watch);
// Whether pages of the view have been replaced. False for null.
bool HasFaulted(const Watch* watch);

// Counts what may have changed the state of any mapping of this process: faults, and
// whatever else the layer above adds. JavaScript reads it in place, so that a call on a
// sound mapping costs one load and no native call.
extern std::atomic<uint32_t> state_changes;

}  // namespace platform
