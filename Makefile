# The targets for people and for CI. Tests/install installs everything that they need.

SWIFT_FLAGS = --explicit-target-dependency-import-check error

# The static runtime is most of the binary: lld drops unreferenced code once the libraries' symbols are not exported.
# Relocations are not packed (-z pack-relative-relocs): that would save 1.1 MB, but needs glibc 2.36, and Ubuntu 22.04 has 2.35.
# Without a build id, and stripped of the compiler's hashes of its command line, the binary does not depend on the directory of
# the clone; GNU strip would remove RELRO with that section.
RELEASE_FLAGS = -c release --static-swift-stdlib --product certctl --disable-local-rpath -Xswiftc -use-ld=lld -Xswiftc -Osize \
	-Xlinker --exclude-libs=ALL -Xlinker --no-export-dynamic -Xlinker --icf=safe \
	-Xlinker --build-id=none \
	-Xlinker --no-eh-frame-hdr -Xlinker --script -Xlinker $(CURDIR)/.build/release.ld
# A seventh of the binary would be tables for unwinding C++ exceptions, which neither Swift nor C throws.
RELEASE_SCRIPT = SECTIONS { /DISCARD/ : { *(.eh_frame) } } INSERT AFTER .text;

# The commit that `certctl --version` prints; empty outside a clone, which --version prints as unknown.
COMMIT := $(shell git describe --always --dirty --abbrev=12 --exclude='*' 2>/dev/null)
# The date of all files that are made here, so that a second build gives the same bytes.
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || stat -c %Y docs/CHANGELOG.md)
export SOURCE_DATE_EPOCH

# The version that the program prints.
VERSION := $(shell sed -n 's/.*static let number = "\(.*\)".*/\1/p' Sources/certctl/Version.swift)

# Where files are installed. DESTDIR is prepended to each.
PREFIX = /usr/local
BINARY = .build/release/certctl
GENERATED = .build/generated
UNITS = $(PREFIX)/lib/systemd/system
ZSH_COMPLETIONS = $(PREFIX)/share/zsh/site-functions
DOCUMENTS = $(PREFIX)/share/doc/certctl
# Units and pages name paths below /usr, where the Debian package installs them.
place = sed -E 's,/usr/(bin/certctl|lib/certctl|share/certctl|share/doc/certctl),$(PREFIX)/\1,g'
# README.md and docs/ are installed in one directory, hooks and units elsewhere. A link of a page in docs/reference goes up once
# more than one of a page in docs.
relink = sed -E 's,\]\((\.\./)?\.\./README,](\1README,g; s,\]\(docs/,](,g; s,\]\(\.\./\.\./hooks/,](../../../certctl/hooks/,g; \
	s,\]\((\.\./)?hooks/,](../../certctl/hooks/,g; s,\]\(\.\./\.\./systemd/examples/,](../example/systemd/,g; \
	s,\]\((\.\./)?systemd/examples/,](example/systemd/,g; s,\]\((\.\./)?systemd/,](../../../lib/systemd/system/,g'

.PHONY: build release generated reference record install uninstall deb dist test test-deb simulate sanitize demo check benchmark clean

build: ## a debug build in .build
	Tests/install build
	swift build $(SWIFT_FLAGS)

release: ## one binary with the Swift runtime inside, stripped, its manual pages and completions
	Tests/install build
	mkdir -p .build
	echo '$(RELEASE_SCRIPT)' >.build/release.ld
	CERTCTL_COMMIT='$(COMMIT)' swift build $(SWIFT_FLAGS) $(RELEASE_FLAGS)
	llvm-objcopy --strip-all --remove-section=.comment --remove-section=.swift_modhash .build/release/certctl
	$(MAKE) generated

reference: build ## the option tables of docs/reference/commands.md
	docs/man/generate --options "$$(swift build --show-bin-path)/certctl" docs/reference/commands.md

record: ## the outputs that the pages show, from a real run; look at the difference before it is committed
	Tests/install test
	RECORD=1 swift test --disable-xctest $(SWIFT_FLAGS) --filter 'DocsTests.ConsoleTests|DocsTests.HostToDockerTests'

generated: ## the manual pages and completions that $(BINARY) has
	rm -rf $(GENERATED)
	docs/man/generate $(BINARY) $(GENERATED)/man
	$(BINARY) --generate-completion-script bash | sed '1{/^#!/d}' >$(GENERATED)/certctl.bash
	$(BINARY) --generate-completion-script zsh >$(GENERATED)/_certctl
	$(BINARY) --generate-completion-script fish >$(GENERATED)/certctl.fish

install: ## what make release made, below $(DESTDIR)$(PREFIX); nothing is enabled or started
	@[ -x $(BINARY) ] && [ -d $(GENERATED)/man ] || { echo "install: $(BINARY) or $(GENERATED) does not exist: run make release" >&2; exit 1; }
	install -d $(DESTDIR)$(UNITS) $(DESTDIR)$(DOCUMENTS)
	install -D -m 755 $(BINARY) $(DESTDIR)$(PREFIX)/bin/certctl
	for file in $$(find systemd -maxdepth 1 -type f); do $(place) $$file | install -m 644 /dev/stdin $(DESTDIR)$(UNITS)/$${file##*/} || exit; done
	for file in $$(find hooks -type f); do install -D -m 755 $$file $(DESTDIR)$(PREFIX)/share/certctl/$$file || exit; done
	for file in $(GENERATED)/man/*; do $(place) $$file | install -D -m 644 /dev/stdin $(DESTDIR)$(PREFIX)/share/man/man$${file##*.}/$${file##*/} || exit; done
	install -D -m 644 $(GENERATED)/certctl.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/certctl
	install -D -m 644 $(GENERATED)/_certctl $(DESTDIR)$(ZSH_COMPLETIONS)/_certctl
	install -D -m 644 $(GENERATED)/certctl.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/certctl.fish
	for file in README.md $$(find docs -name '*.md'); do $(relink) $$file | install -D -m 644 /dev/stdin $(DESTDIR)$(DOCUMENTS)/$${file#docs/} || exit; done
	for file in $$(find docs -type f ! -name '*.md' ! -path 'docs/man/*'); do install -D -m 644 $$file $(DESTDIR)$(DOCUMENTS)/$${file#docs/} || exit; done
	install -m 644 LICENSE $(DESTDIR)$(DOCUMENTS)
	if [ -d systemd/examples ]; then install -D -m 644 -t $(DESTDIR)$(DOCUMENTS)/example/systemd systemd/examples/*; fi

uninstall: ## removes what make install installed, but no certificates, settings or state
	rm -f $(DESTDIR)$(PREFIX)/bin/certctl $(DESTDIR)$(PREFIX)/share/man/man1/certctl.1 $(DESTDIR)$(PREFIX)/share/man/man1/certctl-*.1 $(DESTDIR)$(PREFIX)/share/man/man5/certctl.conf.5
	for file in $$(find systemd -maxdepth 1 -type f); do rm -f $(DESTDIR)$(UNITS)/$${file##*/}; done
	rm -f $(DESTDIR)$(PREFIX)/share/bash-completion/completions/certctl $(DESTDIR)$(ZSH_COMPLETIONS)/_certctl
	rm -f $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/certctl.fish
	rm -rf $(DESTDIR)$(PREFIX)/share/certctl $(DESTDIR)$(DOCUMENTS)

deb: release ## certctl_VERSION_ARCH.deb, for Debian 12 and later and Ubuntu 22.04 and later
	Tests/install deb
	.debian/build $(BINARY) .

dist: deb ## a release in dist/: the sources, the package, the binary, and their checksums
	rm -rf dist
	mkdir dist
	git archive --format=tar --prefix=certctl-$(VERSION)/ HEAD | gzip -9n >dist/certctl-$(VERSION).tar.gz
	cp certctl_$(VERSION)_$$(dpkg --print-architecture).deb dist
	cp $(BINARY) dist/certctl-$(VERSION)-linux-$$(uname -m)
	cd dist && sha256sum -- * >SHA256SUMS

test-deb: ## tests of the package of make deb: its content, installing and purging it, and the main job with its binary
	Tests/install package
	Tests/install docker
	CERTCTL_DEB=$$(ls -t $(CURDIR)/certctl_*.deb | head -n 1) swift test --disable-xctest $(SWIFT_FLAGS) --filter 'DebianTests|DebianReleaseTests|PackageHostTests|TimerTests'
	CERTCTL=$(CURDIR)/$(BINARY) swift test --skip-build --disable-xctest --filter 'EndToEndTests.TakeoverTests|LibraryFloorTests|WithoutProcTests'

test: ## every test, on real parts
	Tests/install docker
	swift build $(SWIFT_FLAGS) --build-tests
	swift test --skip-build --disable-xctest

# How many years of a host are simulated, and which seed comes first.
SEEDS ?= 100000
SEED ?= 1
simulate: ## SEEDS years of hosts, with the real engine on a virtual clock; SEED=n SEEDS=1 TRACE=1 prints one
	Tests/install test
	SEED=$(SEED) SEEDS=$(SEEDS) swift test --disable-xctest $(SWIFT_FLAGS) --filter 'SimulationTests.YearTests'

sanitize: ## the suites that use C memory, with the address sanitizer
	Tests/install test
	swift test --disable-xctest --sanitize=address --scratch-path .build-asan --filter 'PKITests|HTTPTests|LineagesTests'

demo: ## the main job on a local CA and nginx
	Tests/demo

check: ## format, shell scripts, links between pages, language
	Tests/install test
	swift format lint --strict -r Package.swift Sources Tests
	shellcheck $$(for file in $$(git ls-files); do head -n 1 "$$file" | grep -qE '^#!/bin/(ba)?sh' && echo "$$file"; done)
	Tests/check-docs
	Tests/plain-language

benchmark: release ## the figures of docs/benchmarks.md
	Tests/benchmark
	Tests/benchmark-runs

clean:
	rm -rf .build .build-asan dist
