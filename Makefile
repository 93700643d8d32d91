# mudepth. Everything built lands in $(BUILD); `make help` lists the targets.
MAKEFLAGS += --no-builtin-rules
CC     := $(if $(filter default undefined,$(origin CC)),gcc,$(CC))
PREFIX ?= /usr/local
BUILD  ?= build

# Debian packages: to build and run, for the tests on top of it, and for lint.
PACKAGES       := gcc libc6-dev make pkg-config libhdf5-dev zlib1g-dev libpng-dev libjpeg62-turbo-dev \
                  libzip-dev libyaml-dev libxxhash-dev libopenblas-dev libjansson-dev libarchive-dev gnuplot-nox
RV32_PACKAGES  := clang-19 lld-19 qemu-user
AARCH64_PACKAGES := gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user
PAPER_PACKAGES := latexmk texlive-latex-base texlive-latex-recommended lmodern
CHECK_PACKAGES := $(PACKAGES) $(RV32_PACKAGES) libcriterion-dev llvm-19 python3-h5py python3-pandas \
                  slurm-wlm munge
LINT_PACKAGES  := $(CHECK_PACKAGES) clang libclang-rt-dev clang-format clang-tidy cppcheck

LIBRARIES := hdf5 zlib libpng libjpeg libzip yaml-0.1 libxxhash openblas jansson libarchive
pkg        = $(shell pkg-config $(1) $(2) 2>/dev/null)

# Contraction is off: the only fused operations are the ones that are written (core/format.h).
OPTIMIZE ?= -O3 -g1
WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wvla -Werror
ALL_CFLAGS   := -std=c11 $(OPTIMIZE) $(WARNINGS) -ffp-contract=off -fno-math-errno -pthread $(CFLAGS)
ALL_CPPFLAGS  = -D_POSIX_C_SOURCE=200809L $(if $(VECTOR_LEVELS),-DMD_VECTOR_LEVELS) -I$(BUILD) $(call pkg,--cflags,$(LIBRARIES)) $(CPPFLAGS)
ALL_LDLIBS    = $(LDFLAGS) $(call pkg,--libs,$(LIBRARIES)) -lm -pthread $(LDLIBS)

# V=1 shows the commands.
Q   := $(if $(V),,@)
SAY := @$(if $(V),:,echo)

ROOMS   := core core/target base datasets datasets/worlds experiments results plots compare commands
PLAIN   := $(filter-out %_tmpl.c commands/main.c,$(wildcard $(ROOMS:%=%/*.c)))
# HARNESS, KERNELS: the folder of another build whose objects that are not core's, or whose templates,
# are taken.
HARNESS ?= $(BUILD)
OBJECTS := $(patsubst %.c,$(BUILD)/%.o,$(filter core/%,$(PLAIN))) $(patsubst %.c,$(HARNESS)/%.o,$(filter-out core/%,$(PLAIN)))

# The templates: NAME_FORMAT_LEVEL is core/NAME_tmpl.c for one number format and level. Of a kind of
# processor there are levels of every format, some with plain loops of their own, and of fp16 only.
LEVELS_x86_64  := avx2 avx512
LOOPS_x86_64   := avx2 avx512
HALF_x86_64    := avx512fp16
LEVELS_aarch64 := neon
HALF_aarch64   := neonfp16
MACHINE        := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine 2>/dev/null)))
# (Empty: no intrinsics, for any processor.)
VECTOR_LEVELS  := $(LEVELS_$(MACHINE))
FLAGS_ref      :=
FLAGS_scalar   :=
FLAGS_v2f16    := -DMD_PAIRS
# (Nobody asks for exceptions: without masks, gcc must compute what is then not chosen.)
FLAGS_avx2     := -mavx2 -mfma -mf16c -fno-trapping-math
FLAGS_avx512   := -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx2 -mfma -mf16c
# A flag of gcc's that clang has not.
gcc_flag       = $(shell $(CC) $(1) -E -x c /dev/null >/dev/null 2>&1 && echo $(1))
# (gcc 12 converts some ifs to instructions that there are not.)
FLAGS_avx512fp16 = $(FLAGS_avx512) -mavx512fp16 $(call gcc_flag,-fno-if-conversion)
FLAGS_neon     := -DMD_NEON
FLAGS_neonfp16 := -DMD_NEON -march=armv8.2-a+fp16
FORMATS   := fp32 fp64 fp16 bf16 fp16w bf16w
# $(1): the kind of processor
templates  = $(foreach format,$(FORMATS),$(foreach level,ref $(LOOPS_$(1)),ops_$(format)_$(level)) \
                 $(foreach level,scalar $(LEVELS_$(1)),lanes_$(format)_$(level))) \
             $(foreach level,$(HALF_$(1)),ops_fp16_$(level) lanes_fp16_$(level))
TEMPLATES := $(addprefix core/,$(call templates,$(if $(VECTOR_LEVELS),$(MACHINE))))
KERNELS   ?= $(BUILD)
OBJECTS   += $(TEMPLATES:%=$(KERNELS)/%.o)

LONG  := $(addprefix tests/test_,ops.c compare.c devices.c readme.c plans.c run.c run_bits.c gap9.c) # these first: others fill the gaps
TESTS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(filter-out $(LEFT_OUT),$(LONG) $(filter-out $(LONG),$(wildcard tests/test_*.c))))
FUZZERS := $(patsubst tests/%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz_*.c))

all: $(BUILD)/mudepth ## build the program (default)

$(BUILD)/mudepth: $(HARNESS)/commands/main.o $(BUILD)/libmudepth.a
	$(SAY) LD $@
	$(Q)$(CC) $(ALL_CFLAGS) $^ -o $@ $(ALL_LDLIBS)

$(BUILD)/libmudepth.a: $(OBJECTS)
	$(Q)rm -f $@
	$(Q)ar rcs $@ $^

# (All objects depend on this file, which has their flags.)
compile = $(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP

$(BUILD)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(SAY) CC $@
	$(Q)$(compile) -c $< -o $@

# From FORMAT_LEVEL.
template_flags = $(FLAGS_$(word 2,$(subst _, ,$*))) -ffreestanding \
                 -DMD_FORMAT=$(word 1,$(subst _, ,$*)) -DMD_LEVEL=$(word 2,$(subst _, ,$*))
$(BUILD)/core/lanes_%.o: core/lanes_tmpl.c Makefile
	@mkdir -p $(@D)
	$(SAY) CC $@
	$(Q)$(compile) $(template_flags) -c $< -o $@
$(BUILD)/core/ops_%.o: core/ops_tmpl.c Makefile
	@mkdir -p $(@D)
	$(SAY) CC $@
	$(Q)$(compile) $(template_flags) -c $< -o $@

# What was built from what, how: part of every result. Rewritten only when it changes. A folder
# without a .git of its own may lie within someone else's.
git = git --no-optional-locks
$(BUILD)/build.h: FORCE
	@mkdir -p $(@D)
	$(Q)commit=unknown version=unknown dirty=1; \
	if [ -e .git ] && head=$$($(git) rev-parse --verify HEAD 2>/dev/null); then \
	    commit=$$head version=$$($(git) describe --always --abbrev=12) dirty=0; \
	    if [ -n "$$($(git) status --porcelain -- Makefile $(ROOMS) 2>&1)" ]; then \
	        version=$$version-dirty dirty=1; \
	    fi; \
	fi; \
	printf '#define MD_BUILD_%s\n' "VERSION \"$$version\"" "COMMIT \"$$commit\"" "DIRTY $$dirty" \
	    "TARGET \"$$($(CC) -dumpmachine)\"" \
	    "FLAGS \"$$(printf %s '$(subst ','\'',$(strip $(filter-out -W%,$(ALL_CFLAGS))))' | sed 's/[\\"]/\\&/g')\"" > $@.new
	$(Q)cmp -s $@.new $@ && rm $@.new || mv $@.new $@
$(BUILD)/experiments/version.o: $(BUILD)/build.h

# ---- microcontrollers ---------------------------------------------------------------------------

DEVICE_FORMATS   := $(filter-out fp64,$(FORMATS))
DEVICE_TEMPLATES := $(foreach f,$(DEVICE_FORMATS),ops_$(f)_ref lanes_$(f)_scalar) lanes_fp16_v2f16
DEVICE_OBJECTS   := $(patsubst core/%.c,%.o,$(filter-out %_tmpl.c,$(wildcard core/*.c))) \
                    $(addprefix target/device/,device.o levels.o) $(DEVICE_TEMPLATES:%=%.o)

# The same core for a bare RISC-V machine with its floats in integer registers and native binary16,
# as GAP9 has them. clang 19 is the first here that fuses binary16; without -fno-math-errno it would
# call a function instead.
RV32_CC      := clang-19
RV32_TARGET  := --target=riscv32-unknown-elf -march=rv32imc_zicsr_zfinx_zhinx -mabi=ilp32
RV32_CFLAGS  := $(RV32_TARGET) -std=c11 -O3 -ffreestanding -fno-math-errno -ffp-contract=off \
                $(WARNINGS) -MMD -MP
RV32         := $(BUILD)/mudepth-rv32
RV32_OBJECTS := $(addprefix $(BUILD)/rv32/,$(DEVICE_OBJECTS) target/device/rv32.o)

rv32: ## build core for a bare RISC-V machine, to be run by qemu-riscv32
	@$(MAKE) --no-print-directory packages WANT="$(RV32_PACKAGES)"
	@$(MAKE) --no-print-directory $(RV32)

$(RV32): $(RV32_OBJECTS)
	$(SAY) LD $@
	$(Q)$(RV32_CC) $(RV32_TARGET) -fuse-ld=lld -static -nostdlib $^ -o $@

# GAP9's program, with a few of its SDK's functions played by this machine, and the same with more
# memory.
GAP9          := $(addprefix $(BUILD)/mudepth-gap9-,shim large)
# Core is the host's: the same compiler and flags.
GAP9_ONLY     := target/device/device.o lanes_fp16_v2f16.o
GAP9_KERNELS  := $(filter-out $(GAP9_ONLY),$(DEVICE_TEMPLATES:%=%.o))
GAP9_OBJECTS  := $(addprefix $(BUILD)/core/,$(filter-out $(GAP9_ONLY) $(GAP9_KERNELS),$(DEVICE_OBJECTS))) \
                 $(addprefix $(KERNELS)/core/,$(GAP9_KERNELS)) \
                 $(addprefix $(BUILD)/gap9/,$(GAP9_ONLY) target/gap9/shim/pmsis.o)
GAP9_PROGRAMS := $(addprefix $(BUILD)/gap9/target/gap9/,gap9.o shim/large.o)

gap9: $(GAP9) ## build GAP9's program for this machine, with a shim of its SDK

$(BUILD)/mudepth-gap9-shim:  $(BUILD)/gap9/target/gap9/gap9.o
$(BUILD)/mudepth-gap9-large: $(BUILD)/gap9/target/gap9/shim/large.o
$(GAP9): $(GAP9_OBJECTS)
	$(SAY) LD $@
	$(Q)$(CC) $(ALL_CFLAGS) $^ -o $@ $(LDFLAGS) -pthread

# The large one for a third kind of processor, with all its levels; the tests of operators; and all
# other sources compiled for it, though not linked: its libraries are not installed here, but their
# headers are the same.
AARCH64_CC      := aarch64-linux-gnu-gcc
AARCH64_CORE    := $(addprefix $(BUILD)/aarch64/,$(filter-out target/% $(DEVICE_TEMPLATES:%=%.o),$(DEVICE_OBJECTS)) \
                     target/levels.o $(patsubst %,%.o,$(call templates,aarch64)))
AARCH64_OBJECTS := $(AARCH64_CORE) $(addprefix $(BUILD)/aarch64/target/,device/device.o \
                     $(addprefix gap9/shim/,pmsis.o large.o))
AARCH64_TESTS   := $(addprefix $(BUILD)/aarch64/tests/test_,ops elements)
AARCH64_CHECKED := $(patsubst %.c,$(BUILD)/aarch64/%.o,$(filter-out core/%,$(PLAIN)) commands/main.c \
                     core/target/host.c core/target/blas.c)

aarch64: ## cross-compile everything for aarch64, and core as a program for qemu-aarch64
	@$(MAKE) --no-print-directory packages WANT="$(PACKAGES) $(AARCH64_PACKAGES)"
	@$(MAKE) --no-print-directory $(BUILD)/mudepth-aarch64 $(AARCH64_TESTS) $(AARCH64_CHECKED)

$(AARCH64_CHECKED): OPTIMIZE := -O0
$(BUILD)/mudepth-aarch64: $(AARCH64_OBJECTS)
	$(SAY) LD $@
	$(Q)$(AARCH64_CC) -static $^ -o $@ -pthread

# With what little of Criterion they need (tests/plain).
$(BUILD)/aarch64/tests/%: tests/%.c $(AARCH64_CORE) $(BUILD)/aarch64/base/random.o
	@mkdir -p $(@D)
	$(SAY) LD $@
	$(Q)$(aarch64_compile) -Itests/plain -MF $@.d $(filter %.c %.o,$^) -static -o $@ -lm -pthread

# The compiler must not turn memcpy's loop into a call of memcpy.
$(BUILD)/rv32/target/device/rv32.o: RV32_CFLAGS += -fno-builtin
rv32_compile = $(RV32_CC) $(RV32_CFLAGS)
aarch64_compile = $(AARCH64_CC) $(ALL_CPPFLAGS) -DMD_VECTOR_LEVELS -DMD_WITHOUT_BLAS -idirafter /usr/include \
    -idirafter /usr/include/x86_64-linux-gnu $(ALL_CFLAGS) -MMD -MP -Icore/target/gap9/shim
gap9_compile = $(compile) -Icore/target/gap9/shim

$(BUILD)/aarch64/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(SAY) CC $@
	$(Q)$(aarch64_compile) -c $< -o $@

# $(1): the machine
define device_rules
$(BUILD)/$(1)/%.o: core/%.c Makefile
	@mkdir -p $$(@D)
	$$(SAY) CC $$@
	$$(Q)$$($(1)_compile) -c $$< -o $$@
$(BUILD)/$(1)/lanes_%.o: core/lanes_tmpl.c Makefile
	@mkdir -p $$(@D)
	$$(SAY) CC $$@
	$$(Q)$$($(1)_compile) $$(template_flags) -c $$< -o $$@
$(BUILD)/$(1)/ops_%.o: core/ops_tmpl.c Makefile
	@mkdir -p $$(@D)
	$$(SAY) CC $$@
	$$(Q)$$($(1)_compile) $$(template_flags) -c $$< -o $$@
endef
$(foreach device,rv32 gap9 aarch64,$(eval $(call device_rules,$(device))))

-include $(RV32_OBJECTS:.o=.d) $(patsubst %.o,%.d,$(GAP9_OBJECTS) $(GAP9_PROGRAMS)) $(AARCH64_OBJECTS:.o=.d) $(AARCH64_CHECKED:.o=.d) $(AARCH64_TESTS:=.d)

-include $(OBJECTS:.o=.d) $(BUILD)/commands/main.d $(TESTS:=.d) $(wildcard $(BUILD)/portable/levels.d $(BUILD)/bench*.d $(BUILD)/*-held.d $(BUILD)/*-failing.d)

# ---- for users ----------------------------------------------------------------------------------

demo: ## install what is missing, build, and run the main job on the built-in data
	@$(MAKE) --no-print-directory packages WANT="$(PACKAGES)"
	@$(MAKE) --no-print-directory all
	$(BUILD)/mudepth run configs/demo.yaml --figures --force -o results/runs/demo.h5

check: ## install what is missing, build, and run all tests
	@$(MAKE) --no-print-directory packages WANT="$(CHECK_PACKAGES)"
	@$(MAKE) --no-print-directory run-tests data-only

install: ## install a whole program to $(DESTDIR)$(PREFIX); it runs from any folder
	@$(MAKE) --no-print-directory packages WANT="$(PACKAGES)"
	@$(MAKE) --no-print-directory all
	@$(MAKE) --no-print-directory install-files

# What goes where. (Programs of devices: those that are built.)
TO        := $(DESTDIR)$(PREFIX)
SHARE     := $(TO)/share/mudepth
COMPLETES := share/man/man1/mudepth.1 share/bash-completion/completions/mudepth \
             share/zsh/site-functions/_mudepth share/fish/vendor_completions.d/mudepth.fish
DEVICES_BUILT = $(wildcard $(addprefix $(BUILD)/mudepth-,rv32 gap9-shim gap9-large aarch64))
SHIPPED   := README.md LICENSE $(wildcard configs/* datasets/*.md docs/*.md paper/studies/*.yaml paper/published/* python/*.py)

install-files:
	install -d $(TO)/bin $(addprefix $(TO)/,$(dir $(COMPLETES))) \
	    $(sort $(addprefix $(SHARE)/,$(dir $(SHIPPED)))) $(if $(DEVICES_BUILT),$(TO)/lib/mudepth)
	install -m 755 $(BUILD)/mudepth $(TO)/bin/mudepth
	$(if $(DEVICES_BUILT),install -m 755 $(DEVICES_BUILT) $(TO)/lib/mudepth)
	$(Q)for f in $(SHIPPED); do install -m $$(test -x $$f && echo 755 || echo 644) $$f $(SHARE)/$$f || exit 1; done
	$(BUILD)/mudepth help --man >$(TO)/$(word 1,$(COMPLETES))
	$(BUILD)/mudepth completion bash >$(TO)/$(word 2,$(COMPLETES))
	$(BUILD)/mudepth completion zsh >$(TO)/$(word 3,$(COMPLETES))
	$(BUILD)/mudepth completion fish >$(TO)/$(word 4,$(COMPLETES))

uninstall: ## remove what `make install` has put there
	rm -rf $(SHARE) $(TO)/lib/mudepth
	rm -f $(TO)/bin/mudepth $(addprefix $(TO)/,$(COMPLETES))

# With GAP9's programs: those of other machines are no part of a package for this one.
deb: ## a Debian package of what `make install` installs, judged by lintian
	@$(MAKE) --no-print-directory packages WANT="$(PACKAGES) dpkg-dev lintian"
	@$(MAKE) --no-print-directory all gap9
	@$(MAKE) --no-print-directory deb-file
	lintian --fail-on error $(DEB)/*.deb

DEB ?= $(BUILD)/deb
deb-file:
	$(Q)rm -rf $(DEB)
	$(Q)$(MAKE) -s --no-print-directory install-files DESTDIR=$(DEB)/root PREFIX=/usr \
	    DEVICES_BUILT="$(wildcard $(GAP9))" >/dev/null
	$(Q)debian/package.sh $(DEB) "$(filter gnuplot%,$(PACKAGES))"

paper: ## install what is missing and make the report of the reproduction (paper/make.sh)
	@$(MAKE) --no-print-directory packages WANT="$(PACKAGES) $(PAPER_PACKAGES)"
	@$(MAKE) --no-print-directory all
	MUDEPTH=$(BUILD)/mudepth paper/make.sh $(BUILD)/paper

bench: ## time of training steps at every level, beside PyTorch; of reading samples; a sweep's overhead
	@$(MAKE) --no-print-directory packages WANT="$(PACKAGES) libcriterion-dev"
	@$(MAKE) --no-print-directory all $(BUILD)/bench $(BUILD)/bench_sweep
	$(BUILD)/bench
	$(BUILD)/bench_sweep $(BUILD)/mudepth

# The old commit is built from its own files by its own Makefile, once, in a folder of its own.
OLD_COMMIT  = $(shell $(git) rev-parse --verify --quiet '$(OLD)^{commit}')
OLD_PROGRAM = $(BUILD)/old/$(OLD_COMMIT)/build/mudepth
bench-compare: ## OLD=commit [KEYS="key=value ..."]: time of training there and here, in pairs that take turns
	@[ -n "$(OLD)" ] || { echo "make bench-compare: expected OLD=commit"; exit 2; }
	@[ -n "$(OLD_COMMIT)" ] || { echo "make bench-compare: OLD: expected a commit, found \"$(OLD)\""; exit 2; }
	@$(MAKE) --no-print-directory packages WANT="$(PACKAGES)"
	@$(MAKE) --no-print-directory all $(BUILD)/bench_compare $(OLD_PROGRAM)
	$(BUILD)/bench_compare $(OLD_PROGRAM) $(BUILD)/mudepth $(KEYS)

$(BUILD)/old/%/build/mudepth:
	@mkdir -p $(BUILD)/old/$*
	$(Q)$(git) archive $* | tar -x -C $(BUILD)/old/$*
	$(Q)$(MAKE) --no-print-directory -C $(BUILD)/old/$* BUILD=build all

clean: ## remove everything built
	rm -rf $(BUILD)

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## /  make \1|/p' $(MAKEFILE_LIST) | column -t -s '|'

# ---- for developers -----------------------------------------------------------------------------

packages: # WANT="names": installs the Debian packages that are missing
	@missing=""; for p in $(WANT); do \
	    dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$p"; \
	done; [ -z "$$missing" ] && exit 0; \
	echo "installing$$missing"; \
	command -v apt-get >/dev/null || { echo "no apt-get here: please install them yourself"; exit 1; }; \
	root=""; [ "$$(id -u)" = 0 ] || root=sudo; \
	$$root apt-get update -qq && \
	$$root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null

# Little of what tests compute is their own, but for a few. (gcc 12's -fdse loses assignments behind
# those of whole structs at -O1.)
COMPUTING := ops elements arithmetic losses rounding distill photometric
$(COMPUTING:%=$(BUILD)/tests/test_%): TEST_OPTIMIZE := -O1 $(call gcc_flag,-fno-dse)
TEST_OPTIMIZE := -O0
$(BUILD)/tests/%: tests/%.c $(BUILD)/libmudepth.a
	@mkdir -p $(@D)
	$(SAY) LD $@
	$(Q)$(compile) $(TEST_OPTIMIZE) $(call pkg,--cflags,criterion) -MF $@.d $< \
	    $(filter %.o,$^) $(BUILD)/libmudepth.a -o $@ $(ALL_LDLIBS) $(call pkg,--libs,criterion)

# The program, but tests can meet it in the midst of its work.
$(BUILD)/mudepth-held: tests/held.c $(BUILD)/commands/main.o $(BUILD)/libmudepth.a
	$(SAY) LD $@
	$(Q)$(compile) -MF $@.d -Wl,--wrap=md_engine_train,--wrap=md_pool_stop $(filter-out %.h,$^) -o $@ $(ALL_LDLIBS)

# The program, but one call for memory or to the disk fails.
FAILING := malloc calloc realloc posix_memalign strdup tmpfile fdopen fsync rename fwrite fflush
$(BUILD)/mudepth-failing: tests/failing.c $(BUILD)/commands/main.o $(BUILD)/libmudepth.a
	$(SAY) LD $@
	$(Q)$(compile) -MF $@.d $(FAILING:%=-Wl,--wrap=%) $(filter-out %.h,$^) -o $@ $(ALL_LDLIBS)

run-tests: $(BUILD)/mudepth $(BUILD)/mudepth-held $(BUILD)/mudepth-failing $(RV32) $(GAP9) $(TESTS) freestanding
	@MUDEPTH_PROGRAM=$(BUILD)/mudepth tests/run.sh $(BUILD)/test-logs $(TESTS)

levels: ## a step on processors of every level (emulated ones too), to the same bits
	@$(MAKE) --no-print-directory packages WANT="$(PACKAGES) $(AARCH64_PACKAGES)"
	@$(MAKE) --no-print-directory all data-only aarch64 $(BUILD)/mudepth-portable
	tests/levels.sh $(BUILD)

# The program without any level of vectors, which one file alone knows of, as on any processor.
$(BUILD)/mudepth-portable: $(BUILD)/commands/main.o $(BUILD)/portable/levels.o \
                           $(filter-out $(BUILD)/core/target/levels.o $(TEMPLATES:%=$(KERNELS)/%.o),$(OBJECTS)) \
                           $(patsubst %,$(KERNELS)/core/%.o,$(call templates))
	$(SAY) LD $@
	$(Q)$(CC) $(ALL_CFLAGS) $^ -o $@ $(ALL_LDLIBS)
$(BUILD)/portable/levels.o: core/target/levels.c Makefile
	@mkdir -p $(@D)
	$(Q)$(compile) -UMD_VECTOR_LEVELS -c $< -o $@

# core brings everything it needs: its objects may ask for each other and for what every C compiler
# may call by itself, nothing else.
freestanding: $(BUILD)/libmudepth.a
	@foreign=$$(nm -u $(BUILD)/core/*.o | awk '/ U /{print $$2}' | sort -u | \
	    grep -vE '^(md_.*|memcpy|memset|memmove|memcmp|__asan.*|__ubsan.*|__stack_chk_fail)$$'); \
	    [ -z "$$foreign" ] || { echo "core is not freestanding, it needs: $$foreign"; exit 1; }

# What is compiled for one instruction set shows tables and nothing else: no function that another
# file could call or that the linker could take for one of the same name, and no constructor.
data-only: $(BUILD)/libmudepth.a
	@for o in $(TEMPLATES:%=$(BUILD)/%.o) $(wildcard $(patsubst %,$(BUILD)/aarch64/%.o,$(call templates,aarch64))); do \
	    nm -g --defined-only $$o | grep -v ' [DR] ' && { echo "$$o shows more than data"; exit 1; }; \
	    ! readelf -SW $$o | grep -E '\.(init_array|ctors|preinit_array)' || exit 1; \
	done

check-numerics: ## the 16-bit arithmetic exhaustively (minutes)
	@$(MAKE) --no-print-directory packages WANT="$(PACKAGES) libcriterion-dev"
	@$(MAKE) --no-print-directory $(BUILD)/tests/test_rounding
	MUDEPTH_NUMERICS=full $(BUILD)/tests/test_rounding

# Tests that the sanitizers would see nothing new in, and that would take as long as all others: of
# the numbers that come out (the operators are sanitized by test_ops, the step by test_random_plans and
# test_job, whole runs by test_program_run, worlds by test_world), of moments in processes that other
# tests sanitize (a thousand programs in test_failing), what is read of objects, and what builds by
# itself.
UNSANITIZED := run run_bits program_real step plans update_steps arithmetic synthetic status_lines devices broken \
               broken_updates gradients failing sweep_interrupted sweep_disk sweep_nolocks slurm rv32 \
               gap9 readme install

# Sanitized operators are 30 times as slow: they are for the tests whose subject they are, and who
# calls them is sanitized in all others. Three formats have all there is. (What is null or too large
# shows as a bad access.)
SANITIZED_KERNELS := $(if $(filter-out $(BUILD),$(KERNELS)),$(patsubst %,$(BUILD)/%.o, \
                         $(foreach format,fp32 fp16 bf16,$(filter core/lanes_$(format)_% core/ops_$(format)_%,$(TEMPLATES)))))
$(addprefix $(BUILD)/tests/test_,ops elements): $(SANITIZED_KERNELS)
$(SANITIZED_KERNELS): CFLAGS += -fno-sanitize=null,object-size,pointer-overflow

asan: ## run the tests (but UNSANITIZED) with the address and undefined-behaviour sanitizers
	@$(MAKE) --no-print-directory packages WANT="$(CHECK_PACKAGES)"
	@$(MAKE) --no-print-directory $(BUILD)/libmudepth.a
	@$(MAKE) --no-print-directory run-tests BUILD=$(BUILD)/asan KERNELS=$(BUILD) RV32= \
	    LEFT_OUT="$(UNSANITIZED:%=tests/test_%.c)" \
	    OPTIMIZE='-O1 -g1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all'

SOURCES = $(wildcard $(ROOMS:%=%/*.c) tests/*.c)
HEADERS = $(wildcard $(ROOMS:%=%/*.h))
DEVICES = $(wildcard $(addprefix core/target/,device/*.[ch] gap9/*.c gap9/shim/*.[ch]))

# cppcheck cannot see that an out-parameter is only written, nor that an arena holds any type.
# clang's analyzer takes its time for the last states of the longest functions: a seventh of its
# usual 225,000 is reached by few, the third of that which .ci/run asks for halves its time.
ANALYZER_NODES ?= 30000
lint: ## format, clang-tidy, cppcheck, headers compiled alone, tests by clang
	@$(MAKE) --no-print-directory packages WANT="$(LINT_PACKAGES)"
	@$(MAKE) --no-print-directory run-lint

rooms: ## who includes whom between folders; fails on an arrow against their order
	tests/rooms.sh $(ROOMS)

run-lint: $(BUILD)/build.h rooms
	clang-format --dry-run -Werror $(SOURCES) $(HEADERS) $(DEVICES) $(wildcard tests/*.h)
	$(Q)for h in $(filter-out core/lanes% %_tmpl.h,$(HEADERS)); do \
	    $(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -fsyntax-only -x c $$h || exit 1; done
	cppcheck -j $$(nproc) --quiet --std=c11 --enable=warning,portability,performance --inline-suppr \
	    --error-exitcode=1 -DMD_FORMAT=fp32 -DMD_LEVEL=ref -i core/lanes_tmpl.c -I. $(ROOMS) \
	    --suppress=ctuuninitvar --suppress=invalidPointerCast
	printf '%s\n' $(filter-out %_tmpl.c,$(wildcard $(ROOMS:%=%/*.c))) | xargs -P $$(nproc) -I{} \
	    clang-tidy --quiet --warnings-as-errors='*' {} -- -std=c11 $(ALL_CPPFLAGS) \
	    -Xclang -analyzer-config -Xclang max-nodes=$(ANALYZER_NODES)
	printf '%s\n' tests/*.c | xargs -P $$(nproc) -I{} \
	    clang $(ALL_CPPFLAGS) $(ALL_CFLAGS) -fsyntax-only {}

fmt: ## format all sources
	clang-format -i $(SOURCES) $(HEADERS) $(DEVICES) $(wildcard tests/*.h)

# (One kind of operators is enough for what is read; `make asan` has them all.)
FUZZ_SECONDS ?= 30
FUZZ_FLAGS   := -O1 -g1 -fno-sanitize-recover=all -fsanitize=address,undefined
FUZZ_LIBRARY := $(BUILD)/fuzz/lib/libmudepth.a
$(FUZZERS): VECTOR_LEVELS :=
$(FUZZERS): $(BUILD)/fuzz/%: tests/%.c $(FUZZ_LIBRARY)
	$(SAY) LD $@
	$(Q)clang $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(FUZZ_FLAGS),fuzzer $< $(FUZZ_LIBRARY) -o $@ $(ALL_LDLIBS)

$(FUZZ_LIBRARY): FORCE
	$(Q)$(MAKE) --no-print-directory CC=clang BUILD=$(@D) VECTOR_LEVELS= \
	    OPTIMIZE='$(FUZZ_FLAGS),fuzzer-no-link' $@

fuzz: ## run every fuzzer for FUZZ_SECONDS (30)
	@$(MAKE) --no-print-directory packages WANT="$(LINT_PACKAGES)"
	@$(MAKE) --no-print-directory run-fuzzers

run-fuzzers: $(FUZZERS)
	@printf '%s\n' $(FUZZERS) | xargs -P $$(nproc) -I{} sh -c 'mkdir -p {}.corpus && \
	    {} -max_total_time=$(FUZZ_SECONDS) -rss_limit_mb=4096 -print_final_stats=1 \
	        -artifact_prefix={}. {}.corpus >{}.log 2>&1 || { cat {}.log; exit 255; }; tail -n 9 {}.log'

$(addprefix $(BUILD)/,bench bench_sweep bench_compare): $(BUILD)/%: tests/%.c $(BUILD)/libmudepth.a
	$(SAY) LD $@
	$(Q)$(compile) -MF $@.d $< $(BUILD)/libmudepth.a -o $@ $(ALL_LDLIBS)

.PHONY: all demo check paper rv32 gap9 aarch64 install install-files uninstall deb deb-file bench bench-compare clean help packages run-tests freestanding \
        data-only rooms levels check-numerics asan lint run-lint fmt fuzz run-fuzzers FORCE
.DELETE_ON_ERROR:
