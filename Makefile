# Everything here also works by hand; `make help` lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.ONESHELL:
.SHELLFLAGS := -eu -o pipefail -c

scripts := e2e/scripts
# The slowest first, so that they do not run alone in the end.
PKG ?= ./web/... ./...
export NODES
BENCH ?= .
FROM ?= HEAD~1
# SQLite is C that was turned into Go: it shares nothing with us but through its driver, and
# takes many times as long with the race detector in it. The driver keeps it.
norace := '-gcflags=modernc.org/sqlite/lib=-race=false' '-gcflags=modernc.org/libc/...=-race=false'

.PHONY: help setup test lint generate generated format vet vet-nosandbox staticcheck vuln \
	test-go test-official test-alto check-ts test-ts test-e2e mutants walk upgrade-drill build bench load load-pages faults demo clean

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install what the tests need (says what; as root with apt-get, else tells you)
	@bash $(scripts)/setup.sh

test: setup ## everything: generated files, linters, Go, TypeScript, browser
	@bash $(scripts)/steps.sh \
		'Generated files=generated' \
		'gofmt=format' \
		'go vet=vet' \
		'go vet without the sandbox=vet-nosandbox' \
		'staticcheck=staticcheck' \
		'Known vulnerabilities=vuln' \
		'Go tests with the race detector=test-go' \
		'Official packages=test-official' \
		'TypeScript types=check-ts' \
		'Page script unit tests=test-ts' \
		'Browser journeys=test-e2e'

lint: ## formatting, vet, staticcheck, known vulnerabilities
	@bash $(scripts)/steps.sh 'gofmt=format' 'go vet=vet' 'go vet without the sandbox=vet-nosandbox' \
		'staticcheck=staticcheck' 'Known vulnerabilities=vuln'

generate: ## templates, the page's registry of contracts, the page's script, kits and style
	@go tool templ generate -path templates -log-level warn
	go generate ./...
	npm --prefix static/ts run --silent build
	npm --prefix static/kit run --silent build

generated: ## fail if generate changes anything
	@bash $(scripts)/check-generated.sh

format: ## gofmt
	@bash $(scripts)/check-format.sh

vet: ## go vet
	@go vet ./...

vet-nosandbox: ## go vet as production is built
	@go vet -tags nosandbox ./...

staticcheck: ## staticcheck, configured in staticcheck.conf
	@go tool staticcheck ./...

vuln: ## known vulnerabilities, where their data can be reached
	@bash $(scripts)/govulncheck.sh

test-go: ## Go tests with -race, PostgreSQL included (PKG=./internal/store/... for some)
	@bash $(scripts)/with-postgres.sh go test -race $(norace) -timeout 40m -json $(PKG) | node $(scripts)/go-report.mjs

test-official: ## the official npm packages: our reference values against theirs, Safes that pay, and smart accounts that pay without gas
	@npm --prefix e2e/official test --silent
	npm --prefix e2e/safe test --silent
	npm --prefix e2e/userop test --silent

test-alto: setup ## paying without gas with a bundler that is not ours, @pimlico/alto (344 MB of packages, a minute; not part of test)
	@lock=e2e/alto/package-lock.json installed=e2e/alto/node_modules/.installed-from
	if ! cmp -s $$lock $$installed; then
	  npm --prefix e2e/alto ci --omit=optional --no-audit --no-fund --loglevel=error
	  cp $$lock $$installed
	fi
	npm --prefix e2e/alto test --silent

check-ts: ## TypeScript types of the page's script, its tests, the kits of smart accounts and the journeys
	@npm --prefix static/ts run --silent check
	npm --prefix static/kit run --silent check
	npm --prefix e2e run --silent check

test-ts: ## unit tests of the page's script
	@npm --prefix static/ts test --silent

test-e2e: ## journeys in Chromium (ARGS='specs/x.spec.ts' for one)
	@npm --prefix e2e test --silent -- $(ARGS)

mutants: setup ## break some forty features one by one, and see that a test notices each (minutes; not part of test)
	@go test ./internal/archtest -run TestMutantsAreNoticed -mutants -v -timeout 60m | grep -v '^=== '

faults: setup ## kill, stop, starve and mislead the program under load: docs/reliability.md (ENGINE=sqlite or postgres for one alone; KILLS=1000 SEED=1; ^C ends it with what was found; not part of test)
	@go test ./cmd/quittance -run 'TestFaults$$' -faults $(or $(KILLS),1000) -faults-seed $(or $(SEED),1) -faults-on '$(ENGINE)' -v -timeout 180m |
	  (trap '' INT; grep --line-buffered -v '^=== ')
	if [ -n '$(ENGINE)' ]; then exit; fi
	go test ./internal/app -run 'TestHistoriesOf(Proxies|AllRails)' -rapid.checks=$(or $(HISTORIES),10000) -timeout 300m
	QUITTANCE_FAULT_SEEDS=$(or $(SEEDS),100) go test ./internal/app -run 'TestFaultsO' -timeout 120m

walk: ## what a new rail and a new dialect cost, counted and carried out: docs/walks.md (minutes when cold; not part of test)
	@go test ./internal/archtest -run TestWalks -walk -v -timeout 30m | grep -v '^=== '

upgrade-drill: ## two nodes of an older revision replaced one by one while payers ask (FROM=HEAD~1; minutes; not part of test)
	@bash $(scripts)/upgrade-drill.sh '$(FROM)'

build: ## the production binary, without the sandbox: bin/quittance
	@CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -tags nosandbox -o bin/quittance ./cmd/quittance
	ls -l bin/quittance | awk '{printf "bin/quittance %.1f MB\n", $$5 / 1e6}'

bench: ## benchmarks (PKG and BENCH narrow them)
	@go test -run '^$$' -bench '$(BENCH)' -benchmem $(PKG)

bench-data: ## create, status and scan beside COUNT closed payments (10000000: 25 GB of TMPDIR and an hour) and beside none
	@QUITTANCE_BENCH_CLOSED=$(or $(COUNT),1000000) go test ./internal/store -run '^$$' -bench Grown -benchtime 1x -timeout 180m

load: ## requests a second, latency, CPU and memory of a running server (needs wrk and jq; NODES=3 for nodes on PostgreSQL beside one on SQLite)
	@bash $(scripts)/load$(if $(NODES),-nodes).sh

load-pages: ## memory and CPU of a server with up to 20,000 idle pages (needs jq; PAGES, EACH, IDLE)
	@bash $(scripts)/load-pages.sh

demo: ## the whole product on this machine, with a payable link
	@go run ./cmd/quittance demo

clean: ## remove what builds and test runs leave behind
	@rm -rf bin e2e/out
