// Names that <ostream> must find to be parsed; the addon prints nothing.
#pragma once
namespace std {
struct ctype_base {
  typedef const int* __to_type;
  typedef unsigned short mask;
  enum : mask { upper, lower, alpha, digit, xdigit, space, print, graph, cntrl, punct, alnum, blank };
};
}  // namespace std
