// What libstdc++ knows about its C library: nothing, so that it suits both glibc and musl.
#pragma once
