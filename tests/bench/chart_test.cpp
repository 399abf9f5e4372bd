#include "bench/chart.h"
#include "bench/report.h"
#include "bench/sample_result.h"

#include <boost/property_tree/ptree.hpp>
#include <boost/property_tree/xml_parser.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace anyclaude::bench {
namespace {

using Tree = boost::property_tree::ptree;
using ::testing::Contains;
using ::testing::HasSubstr;

/// The elements of a chart. Fails the test when it is no XML.
struct Chart {
  explicit Chart(const Result& result) {
    std::istringstream text(chart_svg(result));
    Tree document;
    boost::property_tree::read_xml(text, document);
    root = document.get_child("svg");
    for (const auto& [name, element] : root) {
      if (name == "text")
        words.push_back(element.data());
      if (name == "rect" && element.get("<xmlattr>.class", "") != "ground")
        bars.push_back(element.get<double>("<xmlattr>.width"));
      if (name == "text" || name == "rect")
        edges[name] = std::max(edges[name], element.get<double>("<xmlattr>.y"));
    }
  }
  Tree root;
  std::vector<std::string> words;
  std::vector<double> bars; // pixels
  std::map<std::string, double> edges;
};

TEST(BenchChart, IsXmlThatSaysWhatWasMeasuredOnWhat) {
  const Chart chart(sample_result());
  EXPECT_EQ(chart.root.get<std::string>("<xmlattr>.xmlns"), "http://www.w3.org/2000/svg");
  EXPECT_THAT(chart.words, Contains(what_was_measured(sample_result())));
  EXPECT_THAT(chart.words, Contains(HasSubstr("Some <CPU> & \"friend\", 8 cores")));
  EXPECT_THAT(chart.words, Contains("first request"));
  EXPECT_THAT(chart.words, Contains("40.5 ms  (100x)"));
  EXPECT_LT(chart.edges.at("text"), chart.root.get<double>("<xmlattr>.height"));
}

TEST(BenchChart, LengthsAreAsTheTimes) {
  const Chart chart(sample_result());
  ASSERT_EQ(chart.bars.size(), 3U);
  EXPECT_NEAR(chart.bars[0] / chart.bars[1], 100, 2); // 4,050 ms and 40.5 ms
  EXPECT_NEAR(chart.bars[0] / chart.bars[2], 4050.0 / 205, 0.2);
  EXPECT_THAT(chart.words, ::testing::Not(Contains(HasSubstr("logarithmic"))));
}

TEST(BenchChart, AScaleThatIsLogarithmicSaysSo) {
  Result result = sample_result();
  for (double& value : result.rows[0].ttft_ms)
    value *= 100; // 10,000 times the shortest
  const Chart chart(result);
  EXPECT_THAT(chart.words, Contains(HasSubstr("logarithmic scale")));
  for (const char* tick : {"10.0 ms", "100 ms", "1.00 s", "10.0 s", "100 s"})
    EXPECT_THAT(chart.words, Contains(tick));
  EXPECT_GT(chart.bars[1], 2); // can be seen
  EXPECT_LT(chart.bars[1], chart.bars[2]);
}

TEST(BenchChart, NamesWithControlCharactersAreStillXml) {
  Result result = sample_result();
  result.model = "a\x1b[31m\x01model <&>";
  const Chart chart(result);
  EXPECT_THAT(chart.words, Contains(HasSubstr("a[31mmodel <&>")));
}

} // namespace
} // namespace anyclaude::bench
