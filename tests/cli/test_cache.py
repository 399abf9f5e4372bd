"""What is kept on the disk of the real Claude Code's prompts: made in advance, shipped, and not kept."""

from daemon import wait_for
from person import CLAUDE, LAST_WORDS, PROGRAM, run


def cache(person, *arguments):
    return run([PROGRAM, "cache", *arguments], env=person.environment, cwd=person.project)


def end_daemon(person):
    run([PROGRAM, "stop"], env=person.environment)


def reused_percent(done):
    line = done.stderr.strip().splitlines()[-1]
    return int(line.split("(")[1].split("%")[0])


def test_a_warmed_prefix_is_there_for_the_first_question(person):
    warmed = cache(person, "warm", "--model", person.model, "--claude", CLAUDE)
    assert warmed.returncode == 0, warmed.stderr
    assert "they are on the disk" in warmed.stdout
    end_daemon(person)
    told = cache(person, "stat").stdout
    assert "tools and system text" in told, told
    done = person.anyclaude("-p", "How much was it?")
    assert done.stdout.strip() == LAST_WORDS, done.stderr
    assert reused_percent(done) >= 80, done.stderr
    end_daemon(person)

    exported = cache(person, "export", person.home / "tools.pack")
    assert exported.returncode == 0, exported.stderr
    assert b"How much was it?" not in (person.home / "tools.pack").read_bytes()
    assert cache(person, "clear").returncode == 0
    # Its model is known here no more; started once, it is.
    refused = cache(person, "import", person.home / "tools.pack")
    assert refused.returncode == 1 and "start it once" in refused.stderr


def test_nothing_is_kept_of_an_excluded_folder(person):
    (person.files / "config.toml").write_text(
        f"model = '{person.model}'\nclaude = '{CLAUDE}'\n[store]\nexclude = ['{person.project}']\n")
    done = person.anyclaude("-p", "How much was it?")
    assert done.stdout.strip() == LAST_WORDS, done.stderr
    assert "nothing that is said here is kept on the disk" in done.stderr
    wait_for(lambda: "no daemon" in run([PROGRAM, "stop"], env=person.environment).stdout,
             "the daemon's end")
    assert not list((person.files / "cache/prefixes").glob("*/*/*.kv"))
