#include "../../pmsis.h"
