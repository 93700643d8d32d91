# mudepth. Everything built lands in $(BUILD). `make help` lists the targets.
CC      = gcc
PREFIX ?= /usr/local
BUILD  ?= build

# What has to be there to build and run, and for the tests on top of it (Debian 12).
PACKAGES       := gcc libc6-dev pkg-config libhdf5-dev libpng-dev libjpeg62-turbo-dev libzip-dev \
                  libyaml-dev libxxhash-dev libopenblas-dev libjansson-dev gnuplot-nox
CHECK_PACKAGES := $(PACKAGES) libcriterion-dev

LIBRARIES := hdf5 libpng libjpeg libzip yaml-0.1 libxxhash openblas jansson
pkg        = $(shell pkg-config $(1) $(LIBRARIES) 2>/dev/null)

# Contraction is off: the only fused operations are the ones that are written (core/format.h).
OPTIMIZE ?= -O3 -g
WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wvla -Werror
ALL_CFLAGS := -std=c11 $(OPTIMIZE) $(WARNINGS) -ffp-contract=off -fno-math-errno -pthread $(CFLAGS)
ALL_CPPFLAGS = -D_POSIX_C_SOURCE=200809L -I$(BUILD) $(call pkg,--cflags) $(CPPFLAGS)
ALL_LDLIBS = $(LDFLAGS) $(call pkg,--libs) -lm -pthread $(LDLIBS)

# V=1 shows the commands.
Q   := $(if $(V),,@)
SAY := @$(if $(V),:,echo)

ROOMS   := core core/target datasets results plots experiments
PLAIN   := $(filter-out %_tmpl.c experiments/main.c,$(wildcard $(ROOMS:%=%/*.c)))
OBJECTS := $(PLAIN:%.c=$(BUILD)/%.o)

# The templates: each is compiled once per number format and instruction set.
ifeq ($(shell $(CC) -dumpmachine | cut -d- -f1),x86_64)
VECTOR_LEVELS := avx2 avx512
endif
FLAGS_ref    :=
FLAGS_avx2   := -mavx2 -mfma
FLAGS_avx512 := -mavx512f -mavx2 -mfma
TEMPLATES := $(foreach level,ref $(VECTOR_LEVELS),core/ops_32_$(level) core/ops_64_$(level)) \
             $(foreach level,$(VECTOR_LEVELS),core/lanes_32_$(level) core/lanes_64_$(level))
OBJECTS   += $(TEMPLATES:%=$(BUILD)/%.o)

all: $(BUILD)/mudepth

$(BUILD)/mudepth: $(BUILD)/experiments/main.o $(BUILD)/libmudepth.a
	$(SAY) LD $@
	$(Q)$(CC) $(ALL_CFLAGS) $^ -o $@ $(ALL_LDLIBS)

$(BUILD)/libmudepth.a: $(OBJECTS)
	$(Q)rm -f $@
	$(Q)ar rcs $@ $^

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(SAY) CC $@
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

# $(BUILD)/core/NAME_FORMAT_LEVEL.o from core/NAME_tmpl.c
define template_rule
$(BUILD)/$(1).o: core/$(word 1,$(subst _, ,$(notdir $(1))))_tmpl.c
	@mkdir -p $$(@D)
	$$(SAY) CC $$@
	$$(Q)$$(CC) $$(ALL_CPPFLAGS) $$(ALL_CFLAGS) $$(FLAGS_$(word 3,$(subst _, ,$(notdir $(1))))) \
	    -ffreestanding -DMD_FORMAT=$(word 2,$(subst _, ,$(notdir $(1)))) \
	    -DMD_LEVEL=$(word 3,$(subst _, ,$(notdir $(1)))) -MMD -MP -c $$< -o $$@
endef
$(foreach template,$(TEMPLATES),$(eval $(call template_rule,$(template))))

# What was built from what: part of every result. Rewritten only when it changes.
VERSION := $(shell git describe --always --dirty --abbrev=12 2>/dev/null || echo unknown)
$(BUILD)/build.h: FORCE
	@mkdir -p $(@D)
	$(Q)printf '#define MD_BUILD_VERSION "%s"\n#define MD_BUILD_FLAGS "%s"\n' \
	    '$(VERSION)' '$(strip $(OPTIMIZE) $(CFLAGS))' > $@.new
	$(Q)cmp -s $@.new $@ && rm $@.new || mv $@.new $@
$(BUILD)/experiments/version.o: $(BUILD)/build.h

-include $(OBJECTS:.o=.d) $(BUILD)/experiments/main.d

.PHONY: all FORCE
.DELETE_ON_ERROR:
