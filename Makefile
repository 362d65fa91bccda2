# The verbs of this repository; `make` alone lists them. Each is a few plain commands that can be typed by hand.
#
# What is built lands outside the checkout, so that several checkouts share it. Everything that links RocksDB is built
# in one profile, release, since its bindings and the code around it cost minutes per profile.

CACHE := $(HOME)/.cache/raftsman
export CARGO_TARGET_DIR ?= $(CACHE)/target
# Tools that `make lint` needs and no Rust toolchain has.
export RAFTSMAN_TOOLS ?= $(CACHE)/tools

# Links the archive that `make setup` built, instead of compiling RocksDB in each target directory. It is asked for when a
# command runs, since before `setup` there is none; ROCKSDB_LIB_DIR names another one.
ROCKS := ROCKSDB_STATIC=1 ROCKSDB_LIB_DIR="$${ROCKSDB_LIB_DIR:-$$(scripts/rocksdb-cache.sh)}"
RAFTSMAN := "$(CARGO_TARGET_DIR)/release/raftsman"
SIMULATION := "$(CARGO_TARGET_DIR)-simulation/release/raftsman-simulation"
# What has planted bugs and failpoints lies apart from what is shipped.
HURT = $(CARGO_TARGET_DIR)/hurt
# What a commit's runs draw from; each commit has its own.
SEED ?= $(shell printf '%d' "0x$$(git rev-parse --short=6 HEAD 2>/dev/null || echo 1)")

.PHONY: help setup build dev demo test lint fix bench bench-e2e bench-failover bench-scale bench-peers bench-long long jepsen planted failpoints fuzz simulation soak hurt
.DEFAULT_GOAL := help

help: ## lists the verbs
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## installs the system packages that are missing and builds RocksDB once
	scripts/setup.sh

build: setup ## builds the raftsman binary
	$(ROCKS) cargo build --release --features server

dev: build ## a cluster in one process that has run a job; Ctrl-C ends it (ONCE=1: ends by itself)
	$(RAFTSMAN) dev $(if $(ONCE),--once,--demo)

demo: build ## three JobTrackers and two TaskTrackers, real work, killed leaders, and a check of every run
	$(ROCKS) cargo run --release --features server --example demo

test: setup ## all tests: the machine first, then the SDK, then everything
	cargo test --no-default-features --features machine
	cargo test
	cargo test -p jepsen-style-tests
	cargo test --no-default-features --features machine,planted-bugs --lib sim::planted
	$(ROCKS) cargo test --release --features server

lint: setup ## formatting, lints of each feature set, the floors, dependencies, the protocol
	cargo fmt --all --check
	cargo clippy --no-default-features --features machine --all-targets -- -D warnings
	cargo clippy --all-targets -- -D warnings
	$(ROCKS) cargo clippy --features server --all-targets -- -D warnings
	$(ROCKS) cargo clippy --features server,failpoints,planted-bugs -- -D warnings
	cargo clippy --no-default-features --features simulation -- -D warnings
	cargo clippy -p jepsen-style-tests --all-targets -- -D warnings
	cargo test --no-default-features --test arrows
	scripts/lint-dependencies.sh
	scripts/lint-protocol.sh

fix: setup ## formats, applies what clippy can, and rewrites generated files and snapshots
	$(ROCKS) cargo clippy --fix --allow-dirty --allow-staged --features server --all-targets
	cargo fmt
	UPDATE_EXPECT=1 cargo test --no-default-features --features machine
	UPDATE_EXPECT=1 $(ROCKS) cargo test --release --features server

bench: setup ## the benchmarks; benches/README.md says what they mean
	cargo bench --no-default-features --features machine --bench apply
	$(ROCKS) cargo bench --features server --bench parts
	$(ROCKS) cargo bench --features server --bench end_to_end
	$(ROCKS) cargo bench --features server --bench failover
	cargo bench --bench floor

bench-e2e: setup ## a job's whole way: throughput, latency, processor time a job (ARGS="--seconds 10")
	$(ROCKS) cargo bench --features server --bench end_to_end -- $(ARGS)

bench-failover: setup ## the silence around 50 killed, 20 frozen and 50 stopped leaders (ARGS=)
	$(ROCKS) cargo bench --features server --bench failover -- $(ARGS)

bench-scale: setup ## a million waiting runs and crons, 100,000 due at once (ARGS="--waiting 10000000")
	$(ROCKS) cargo bench --features server --bench scale -- $(ARGS)

bench-peers: setup ## the same work on RabbitMQ, NATS, etcd, PostgreSQL and BullMQ, by turns (ARGS="--only raftsman,rabbitmq")
	scripts/setup-peers.sh
	$(ROCKS) cargo run --release -p peers -- $(ARGS)

bench-long: setup ## millions of jobs; 10,000 TaskTrackers; half an hour with a leader killed every minute
	$(ROCKS) cargo bench --features server --bench scale
	$(ROCKS) cargo bench --features server --bench sessions
	$(ROCKS) cargo bench --features server --bench steady

long: setup ## the random tests and the crash tests, much longer than in `make test` (SEEDS=, CYCLES=)
	RAFTSMAN_SEEDS=$(or $(SEEDS),5000) cargo test --release --no-default-features --features machine --lib sim -- --nocapture
	RAFTSMAN_SEEDS=$(or $(SEEDS),5000) cargo test --release --no-default-features --features machine -- --skip sim::
	CYCLES=$(or $(CYCLES),200) $(ROCKS) cargo test --release --features server sigkill

# The shipped binary is put back in its place at the end.
hurt: setup
	$(ROCKS) cargo build --release --features server,planted-bugs,failpoints --bin raftsman
	cargo build -p jepsen-style-tests --features planted-bugs,failpoints
	mkdir -p $(HURT)
	cp $(CARGO_TARGET_DIR)/release/raftsman $(CARGO_TARGET_DIR)/debug/jst $(HURT)
	$(ROCKS) cargo build --release --features server

# Six minutes of simulation, eight of real clusters and failpoints, and two planted bugs. The simulated worlds are the same for
# each commit, so that one that breaks is the commit's doing; `make simulation FROM=` looks for new ones.
jepsen: hurt ## the proof in 16 minutes: simulation, real clusters, failpoints, planted bugs (SEED=)
	scripts/setup-faults.sh
	@echo "seed $(SEED)"
	CARGO_TARGET_DIR=$(CARGO_TARGET_DIR)-simulation RUSTFLAGS="--cfg tokio_unstable" \
		cargo build --release --no-default-features --features simulation --bin raftsman-simulation
	$(SIMULATION) --regressions jepsen-style-tests/seeds/regressions.txt --seconds 330 --at-least 40 --from 0 --minimise
	$(HURT)/jst ci --seconds 480 --seed $(SEED) --binary $(RAFTSMAN) --hurt-binary $(HURT)/raftsman

planted: hurt ## plants each bug and looks whether its checker sees it; needs root
	scripts/setup-faults.sh
	CARGO_TARGET_DIR=$(CARGO_TARGET_DIR)-simulation RUSTFLAGS="--cfg tokio_unstable" \
		cargo build --release --no-default-features --features simulation,planted-bugs --bin raftsman-simulation
	cp $(SIMULATION) $(HURT)
	cargo test --features planted-bugs --lib fail_store::planted
	$(HURT)/jst planted --binary $(HURT)/raftsman --simulation $(HURT)/raftsman-simulation $(if $(SOUND),--sound)

failpoints: hurt ## panics at every failpoint, and judges what the cluster made of it; needs root
	scripts/setup-faults.sh
	$(HURT)/jst failpoints --binary $(HURT)/raftsman

fuzz: setup ## everything that reads bytes of strangers, guided by coverage, so long each (SECONDS=, TARGETS=)
	$(ROCKS) scripts/fuzz.sh $(or $(SECONDS),15) $(TARGETS)

# A target directory of its own: its flags would compile everything anew in the other one.
simulation: ## whole clusters on virtual time, each seed twice (FROM=, TO= or SECONDS=); docs/decisions/simulation.md
	CARGO_TARGET_DIR=$(CARGO_TARGET_DIR)-simulation RUSTFLAGS="--cfg tokio_unstable" \
		cargo build --release --no-default-features --features simulation --bin raftsman-simulation
	$(SIMULATION) --regressions jepsen-style-tests/seeds/regressions.txt --twice --minimise \
		$(if $(SECONDS),--seconds $(SECONDS) --from $(or $(FROM),0) --at-least 40,--seeds $(or $(FROM),0)..$(or $(TO),100))

soak: build ## real clusters under faults, one run after another, and a row in RESULTS.md (HOURS=); needs root
	cargo run --release -p jepsen-style-tests -- soak --hours $(or $(HOURS),1) --commit $$(git rev-parse --short HEAD)
