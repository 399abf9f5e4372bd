#pragma once

#include <cstddef>
#include <optional>
#include <string>

namespace anyclaude::engine {

/// What moving cells out of the model's memory and back costs, beside what computing them costs and
/// what they cost others by being there: attention goes over every cell up to the highest used one,
/// whoever it belongs to. All of it is measured on this machine with this model; what was not
/// measured yet is unknown, never guessed. Times are milliseconds.
class TransferCosts {
 public:
  static constexpr int kTile = 64; // tokens of a probe that stands for prompts

  /// What cells of others cost is told from probes with at least `apart` more of them.
  explicit TransferCosts(std::size_t apart)
      : one_{.apart = static_cast<double>(apart)}, tile_{.apart = static_cast<double>(apart)} {}

  void exported(std::size_t bytes, double milliseconds) { export_.add(bytes, milliseconds); }
  void imported(std::size_t bytes, double milliseconds) { import_.add(bytes, milliseconds); }
  /// A batch with parts of prompts; `span` is the number of cells in use.
  void computed(int tokens, std::size_t span, double milliseconds);
  /// A batch of 1 or kTile throw-away tokens, which looked at `cells` cells of others.
  void probed(int tokens, std::size_t cells, double milliseconds);

  std::optional<double> export_time(std::size_t bytes) const { return export_.at(bytes); }
  std::optional<double> import_time(std::size_t bytes) const { return import_.at(bytes); }
  /// Of the tokens [begin, end) of a prompt.
  std::optional<double> compute_time(int begin, int end) const;
  /// What one cell that belongs to others costs a batch.
  std::optional<double> foreign_cell(int batch_tokens) const;

  /// What was measured of exporting, importing and computing, as a line for a later process with
  /// the same model; what that measures itself soon counts more. False, and nothing is changed,
  /// where the text is none of these.
  std::string text() const;
  bool read(const std::string& text);

  /// Size of a probe that would tell more, with so many cells of others in use.
  std::optional<int> wanted_probe(std::size_t cells) const;

 private:
  /// A time for each byte, later measurements counting more.
  class Rate {
   public:
    void add(std::size_t bytes, double milliseconds);
    void expect(double milliseconds_per_byte);
    std::optional<double> at(std::size_t bytes) const;

   private:
    double bytes_ = 0;
    double milliseconds_ = 0;
  };
  /// The time of one batch at the least and at the most cells that it was probed with.
  struct Probe {
    struct Point {
      double cells = 0;
      double milliseconds = 0;
      int count = 0;
      void take(double at, double measured);
    };
    double apart = 0;
    Point low{}, high{};
    std::optional<double> slope() const;
    bool wants(double cells) const;
    void take(double cells, double measured);
  };

  Rate export_, import_;
  Probe one_, tile_;
  // Sums of a line through the time of a token over the span, later points counting more.
  double weight_ = 0, x_ = 0, y_ = 0, xx_ = 0, xy_ = 0;
};

} // namespace anyclaude::engine
