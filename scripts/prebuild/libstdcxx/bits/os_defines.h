// What libstdc++ was told of its C library: nothing, so that it suits glibc and musl alike.
#pragma once
