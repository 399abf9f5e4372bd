// Any mixture of requests, cancellations and failures over a pool of any size, against what each
// request should say by itself.
#include "engine/any_prompts.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace anyclaude::engine {
namespace {

SchedulerOptions any_options() {
  SchedulerOptions options;
  options.context_tokens = *rc::gen::inRange(150, 600);
  options.batch_tokens = *rc::gen::inRange(8, 100);
  options.max_running = *rc::gen::inRange(1, 8);
  options.sequences = options.max_running + *rc::gen::inRange(0, 8);
  options.max_queued = 1000;
  options.separate = *rc::gen::arbitrary<bool>();
  options.reuse = *rc::gen::weightedElement<bool>({{5, true}, {1, false}});
  options.checkpoints = options.reuse && *rc::gen::arbitrary<bool>();
  options.checkpoint_bytes = *rc::gen::inRange<std::size_t>(0, 3000); // 100 each
  return options;
}

/// With a few places, in order, that may be anywhere.
Job any_job(const Asked& asked, std::string tenant = "anna") {
  Job job = job_of(asked.prompt, asked.max_tokens, std::move(tenant));
  job.priority = *rc::gen::element(Priority::interactive, Priority::background);
  job.boundaries =
      *rc::gen::resize(5, rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 130)));
  std::ranges::sort(job.boundaries);
  return job;
}

RC_GTEST_PROP(SchedulerProperty, EveryAnswerIsThatOfItsPromptAlone, ()) {
  const SchedulerOptions options = any_options();
  Simulation simulation(options);
  std::vector<std::pair<JobId, Asked>> asked;
  const int actions = *rc::gen::inRange(1, 120);
  for (int i = 0; i < actions; ++i) {
    const int action = *rc::gen::inRange(0, 10);
    if (action < 3) {
      Asked next{any_prompt(asked), *rc::gen::inRange(1, 25)};
      const std::string tenant = *rc::gen::element<std::string>("anna", "bert");
      asked.emplace_back(simulation.add(any_job(next, tenant)), next);
    } else if (action == 3 && !asked.empty()) {
      auto& [id, job] = asked[*rc::gen::inRange<std::size_t>(0, asked.size())];
      job.cancelled = job.cancelled || !simulation.heard(id).over();
      simulation.scheduler.cancel(id);
    } else {
      simulation.scheduler.step();
    }
    simulation.scheduler.check();
    RC_ASSERT(simulation.scheduler.stats().cells_used == simulation.decoder.cells_used());
    RC_ASSERT(simulation.decoder.sequences_used() <= options.sequences);
    RC_ASSERT(simulation.scheduler.stats().running <= options.max_running);
  }
  simulation.run();

  for (const auto& [id, job] : asked) {
    const Heard& heard = simulation.heard(id);
    if (job.cancelled) {
      RC_ASSERT(!heard.over());
      continue;
    }
    RC_ASSERT(heard.ended.has_value());
    RC_ASSERT(heard.text() == expected_text(job.prompt, job.max_tokens));
    RC_ASSERT(heard.started->computed >= 1);
    RC_ASSERT(options.reuse || heard.reused() == 0);
  }
  // Nothing is left that could not be given up: a request as large as the pool still runs.
  const auto largest = words(99, options.context_tokens - 1);
  RC_ASSERT(simulation.run(job_of(largest, 1)).text() == expected_text(largest, 1));
  RC_ASSERT(simulation.decoder.sequences_used() <= 2); // one cell is left beside it
}

RC_GTEST_PROP(SchedulerProperty, FailedBatchesSpoilNothing, ()) {
  SchedulerOptions options = any_options();
  Simulation simulation(options);
  std::vector<std::pair<JobId, Asked>> asked;
  for (int i = 0; i < 12; ++i) {
    Asked next{any_prompt(asked), *rc::gen::inRange(1, 10)};
    asked.emplace_back(simulation.add(any_job(next)), next);
    for (int steps = *rc::gen::inRange(0, 6); steps > 0; --steps) {
      simulation.decoder.statuses = {
          *rc::gen::weightedElement<DecodeStatus>({{6, DecodeStatus::ok},
                                                   {1, DecodeStatus::failed},
                                                   {1, DecodeStatus::aborted},
                                                   {1, DecodeStatus::no_space}})};
      simulation.scheduler.step();
      simulation.scheduler.check();
      RC_ASSERT(simulation.scheduler.stats().cells_used == simulation.decoder.cells_used());
    }
  }
  simulation.decoder.statuses.clear();
  simulation.run();
  for (const auto& [id, job] : asked) {
    const Heard& heard = simulation.heard(id);
    RC_ASSERT(heard.over());
    if (heard.ended)
      RC_ASSERT(heard.text() == expected_text(job.prompt, job.max_tokens));
  }
}

} // namespace
} // namespace anyclaude::engine
