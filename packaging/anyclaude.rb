# A formula for Homebrew, from a checkout: brew install --build-from-source ./packaging/anyclaude.rb
# Nobody has tried this yet. It needs the address and the checksum of a published archive of the
# sources, and minja's headers, for which there is no formula that we know of.
class Anyclaude < Formula
  desc "Claude Code on a model of your own, with no prompt computed twice"
  homepage "https://example.invalid/anyclaude"
  url "https://example.invalid/anyclaude-0.1.0.tar.gz"
  version "0.1.0"
  sha256 "0000000000000000000000000000000000000000000000000000000000000000"

  depends_on "cmake" => :build
  depends_on "cli11" => :build
  depends_on "ninja" => :build
  depends_on "nlohmann-json" => :build
  depends_on "tomlplusplus" => :build
  depends_on "blake3"
  depends_on "boost"
  depends_on "ftxui"
  depends_on "llama.cpp"
  depends_on "openssl@3"
  depends_on "spdlog"
  depends_on "sqlite"

  def install
    system "cmake", "-S", ".", "-B", "build", "-G", "Ninja", "-DBUILD_TESTING=OFF", *std_cmake_args
    system "cmake", "--build", "build", "--target", "package_files"
    bin.install "build/bin/anyclaude"
    man1.install "build/package/texts/anyclaude.1"
    bash_completion.install "build/package/texts/anyclaude.bash" => "anyclaude"
    zsh_completion.install "build/package/texts/_anyclaude"
    fish_completion.install "build/package/texts/anyclaude.fish"
  end

  service do
    run [opt_bin/"anyclaude", "serve"]
    keep_alive crashed: true
  end

  test do
    assert_match "first request", shell_output("#{bin}/anyclaude bench --model demo --tokens 2000 --repeats 1")
  end
end
