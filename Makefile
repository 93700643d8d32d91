# mudepth: `make help` lists what there is to make. Everything built lands in build/.
CC      ?= gcc
PREFIX  ?= /usr/local
BUILD   ?= build

PACKAGES := hdf5 libpng libjpeg libzip yaml-0.1 libxxhash openblas
CPPFLAGS += -D_POSIX_C_SOURCE=200809L $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null)
# Contraction is off: the only fused operations are the ones written as such (core/format.h).
CFLAGS   ?= -O3 -g
CFLAGS   += -std=c11 -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wvla -Werror \
            -ffp-contract=off -fno-math-errno -pthread
LDLIBS   += $(shell pkg-config --libs $(PACKAGES) 2>/dev/null) -lm

PLAIN := $(filter-out %_tmpl.c,$(wildcard core/*.c core/target/*.c datasets/*.c results/*.c plots/*.c))
FRONT := $(wildcard experiments/*.c)
OBJECTS := $(PLAIN:%.c=$(BUILD)/%.o)

all: $(BUILD)/mudepth

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

-include $(OBJECTS:.o=.d)
