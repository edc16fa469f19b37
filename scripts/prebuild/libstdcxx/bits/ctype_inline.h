// Nothing: see ctype_base.h.
#pragma once
