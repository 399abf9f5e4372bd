#pragma once

#include "bench/result.h"

#include <string>

namespace anyclaude::bench {

/// A picture of the times to the first token, as SVG: a bar a row, with its least and most, the
/// figure beside it, and above it what was measured on what. Readable on light and dark ground by
/// the reader's own preference; needs nothing from elsewhere.
///
/// Bars begin at 0 and are as long as the time, so that lengths can be compared by eye; only where
/// the shortest would then be thinner than two pixels the scale is logarithmic, which the axis
/// says.
std::string chart_svg(const Result& result);

} // namespace anyclaude::bench
