# What there is to make, for people and for CI. Everything that is needed is installed by Tests/install.

SWIFT_FLAGS = --explicit-target-dependency-import-check error

# The static runtime is most of the binary: lld drops what nothing refers to, once the libraries' symbols are not exported,
# and packs relocations (which needs the glibc 2.36 of Debian 12).
RELEASE_FLAGS = -c release --static-swift-stdlib --product certctl -Xswiftc -use-ld=lld -Xswiftc -Osize \
	-Xlinker --exclude-libs=ALL -Xlinker --no-export-dynamic -Xlinker --icf=safe \
	-Xlinker -z -Xlinker pack-relative-relocs

.PHONY: build release test sanitize demo check benchmark clean

build: ## a debug build in .build
	Tests/install build
	swift build $(SWIFT_FLAGS)

release: ## one binary with the Swift runtime inside, stripped: .build/release/certctl
	Tests/install build
	swift build $(SWIFT_FLAGS) $(RELEASE_FLAGS)
	strip .build/release/certctl

test: ## every test, on real parts
	Tests/install docker
	swift build $(SWIFT_FLAGS) --build-tests
	swift test --skip-build --disable-xctest

sanitize: ## the suites that touch memory of C's, under the address sanitizer
	Tests/install test
	swift test --disable-xctest --sanitize=address --scratch-path .build-asan --filter 'PKITests|HTTPTests|LineagesTests'

demo: ## the main job on a local CA and nginx
	Tests/demo

check: ## format and shell scripts
	Tests/install test
	swift format lint --strict -r Package.swift Sources Tests
	shellcheck $$(for file in $$(git ls-files); do head -n 1 "$$file" | grep -qE '^#!/bin/(ba)?sh' && echo "$$file"; done)

benchmark: release ## the figures of docs/benchmarks.md
	Tests/benchmark

clean:
	rm -rf .build .build-asan
