# A stand-in for the rules that the GAP SDK gives its applications, as far as one can see them:
# double-colon all and clean, objects below BUILD by the path of their source, semihosting only where
# io is host, and a FreeRTOS that changes io on gvsoc. The compiler and the SDK's functions are this
# machine's and the shim's, and less is optimized, which takes a third of the time (-fno-dse: gcc 12's
# loses assignments at -O1); the two files that the program opens are its standard input and output.
CC       := gcc
BUILDDIR := $(CURDIR)/BUILD/GAP9_V2/GCC_RISCV
BIN      := $(BUILDDIR)/$(APP)
platform ?= board

ifeq ($(PMSIS_OS) $(FS_TYPE),freertos host)
io = host
endif
ifeq ($(PMSIS_OS) $(platform),freertos gvsoc)
io = rtl
endif

OBJS := $(patsubst %.c,$(BUILDDIR)/%.o,$(APP_SRCS) shim/pmsis.c)

build: $(OBJS) $(BIN)

all:: build

$(OBJS): $(BUILDDIR)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) -std=gnu99 -Wall -Wextra $(APP_CFLAGS) -O1 -fno-dse -Ishim -MD -MF $(basename $@).d -c -o $@ $<

$(BIN): $(OBJS)
	$(CC) -o $@ $(OBJS) $(APP_LDFLAGS) -pthread

run: $(BIN)
	$(if $(filter host,$(io)),,$(error io is $(io): the program cannot open files))
	$(BIN) <$(JOB) >$(TRACE)

clean::
	rm -rf BUILD

.PHONY: all build run clean
