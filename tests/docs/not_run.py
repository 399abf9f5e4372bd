"""The commands of the documentation that its test does not run, and why. They are read instead: by the
shell for its syntax, by the program's own help for its options. A line that stands in no page fails the
test, and so does a command that is neither run nor here."""

BUILDS = "builds, or runs other tests: this test is one of what it makes"
MINUTES = "measures for minutes"
PACKAGES = "needs what `./dev package` makes; tests/package runs it"
NETWORK = "fetches from the network"

NOT_RUN = {
    "./dev run": BUILDS,
    "./dev build": BUILDS,
    "./dev test": BUILDS,
    "./dev test docs": BUILDS,
    "./dev test faults": BUILDS,
    "./dev test package": BUILDS,
    "./dev test versions": BUILDS,
    "./dev package": BUILDS,
    "./dev test api -- -k full_disk": BUILDS,
    "./dev test api -- -k conformance": BUILDS,
    "./dev test engine -- --gtest_filter='*AnAnswer*'": BUILDS,
    "./dev fuzz block_reader -max_total_time=600": BUILDS,
    "./dev fuzz chat_template -max_total_time=600": BUILDS,
    "./dev test fuzz": BUILDS,
    "ANYCLAUDE_DAMAGE_ROUNDS=10000 ./dev test unit -- --gtest_filter='*Damage*'": BUILDS,
    "ANYCLAUDE_KILLS=50 ./dev test engine -- --gtest_filter='*StoreCrash*'": BUILDS,
    "ANYCLAUDE_SCHEDULES=100000 ./dev test engine -- --gtest_filter='SchedulerSchedules.*'": BUILDS,
    "ANYCLAUDE_FORK_SCHEDULES=1000 ./dev test engine -- --gtest_filter='*ForksAndEvictions*'": BUILDS,
    ".ci/run": BUILDS,
    "./dev test --sanitize": BUILDS,
    "./dev test --coverage": BUILDS,
    "ANYCLAUDE_POWER_FAILURES=2000 ./dev test unit -- --gtest_filter='*PowerLoss*:*LyingDisk*'": BUILDS,
    "ANYCLAUDE_SCREENSHOTS=docs/pictures ./dev test api -- -k top": BUILDS,
    "ANYCLAUDE_SCREENSHOTS=docs/pictures ./dev test dashboard": BUILDS,
    "./dev bench --list": BUILDS,
    "./dev soak": "takes an hour; tests/faults/test_soak.py tests its judgement",
    "./dev bench claude-code": MINUTES,
    "./dev bench claude-code --peer llama-server --json build/claude-code.json": MINUTES,
    "ANYCLAUDE_CLAUDE_CODE_VERSION=2.1.328 ./dev run": BUILDS,
    "ANYCLAUDE_CLAUDE_CODE_VERSION=2.1.197 ./dev bench claude-code": MINUTES,
    "./dev bench clients --peer llama-server": MINUTES,
    "./dev bench constrained": MINUTES,
    "./dev bench gateway": MINUTES,
    "./dev bench gateway --peer claude-code-router --rounds 1": MINUTES,
    "./dev bench machine --model F --prompt N": MINUTES,
    "./dev bench modes --rounds 1": MINUTES,
    "./dev bench restart --peer llama-server": MINUTES,
    "./dev bench sessions": MINUTES,
    "./dev bench store-scan": MINUTES,
    "./dev bench storing": MINUTES,
    "./dev bench ttft --peer llama-server": MINUTES,
    "./dev bench ttft --peer llama-server --size small --rounds 1 --clients": MINUTES,
    "./dev bench ttft --peer llama-server --size 0.6b --prompt 4096 --rounds 1 --clients": MINUTES,
    "apt install ./build/package/anyclaude_0.1.0_amd64.deb": PACKAGES,
    "npx --yes --package=./build/package/anyclaude-0.1.0.tgz anyclaude --version": PACKAGES,
    "apt install libllama-dev": NETWORK,
    "npm install -g @anthropic-ai/claude-code": NETWORK,
    "brew install llama.cpp cmake ninja nlohmann-json cli11 tomlplusplus spdlog boost blake3 ftxui openssl "
    "googletest google-benchmark": "macOS",
    "systemctl --user enable --now anyclaude": "needs a user's systemd; tests/package has it read the unit",
}

# What the text names by its first words only; `--help` has to know it.
NAMED_ONLY = {"anyclaude cache", "anyclaude model demo"}
