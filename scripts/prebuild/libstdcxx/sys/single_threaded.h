// glibc has this variable since 2.32, which is newer than what the addon may ask for.
#pragma once
inline constexpr char __libc_single_threaded = 0;
