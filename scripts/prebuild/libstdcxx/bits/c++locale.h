// The part of libstdc++ that differs with the C library's locales; the addon uses none of it.
#pragma once
#include <clocale>
#include <cstddef>
#define _GLIBCXX_NUM_CATEGORIES 0
namespace std {
typedef locale_t __c_locale;
int __convert_from_v(const __c_locale&, char*, int, const char*, ...);
}  // namespace std
