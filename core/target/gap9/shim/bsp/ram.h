#include "../pmsis.h"
