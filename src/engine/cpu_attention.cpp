#include "engine/cpu_attention.h"

#include <ggml.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstring>
#include <numbers>
#include <utility>

namespace anyclaude::engine {

namespace {

constexpr int kPartsPerThread = 4; // so that threads that are held up do not hold up the others
constexpr int kFewestCells = 512;  // of a part

struct Free {
  void operator()(ggml_context* context) const { ggml_free(context); }
};

/// How the operation is asked for, its parameters included.
struct Options {
  float scale = 1, max_bias = 0, soft_cap = 0;
};

Options options_of(const ggml_tensor& node) {
  Options options; // as ggml_flash_attn_ext() sets them
  std::memcpy(&options, node.op_params, sizeof(options));
  return options;
}

/// Whether a row of this type can be read.
bool readable(const ggml_tensor& tensor) {
  return tensor.ne[0] % 16 == 0 &&
         (tensor.type == GGML_TYPE_F16 || ggml_get_type_traits(tensor.type)->to_float != nullptr);
}

bool supported(const ggml_tensor& node) {
  const ggml_tensor *query = node.src[0], *keys = node.src[1], *values = node.src[2],
                    *mask = node.src[3], *sinks = node.src[4];
  if (sinks && sinks->type != GGML_TYPE_F32)
    return false;
  const Options options = options_of(node);
  return query->type == GGML_TYPE_F32 && query->nb[0] == sizeof(float) && query->ne[3] == 1 &&
         keys->ne[3] == 1 && keys->ne[1] % kCellTile == 0 && readable(*keys) && readable(*values) &&
         query->ne[2] % keys->ne[2] == 0 && values->ne[2] == keys->ne[2] && options.max_bias == 0 &&
         options.soft_cap == 0 && node.type == GGML_TYPE_F32 &&
         (!mask || (mask->type == GGML_TYPE_F16 && mask->ne[2] == 1 && mask->ne[3] == 1));
}

Attention::Convert converter(const ggml_tensor& tensor) {
  return tensor.type == GGML_TYPE_F16 ? nullptr : ggml_get_type_traits(tensor.type)->to_float;
}

const std::byte* data(const ggml_tensor* tensor) {
  return tensor ? static_cast<const std::byte*>(tensor->data) : nullptr;
}

Attention attention_of(const ggml_tensor& node, float scale) {
  const ggml_tensor *query = node.src[0], *keys = node.src[1], *values = node.src[2],
                    *mask = node.src[3];
  Attention a;
  a.query = data(query);
  a.query_token = query->nb[1];
  a.query_head = query->nb[2];
  a.keys = data(keys);
  a.key_cell = keys->nb[1];
  a.key_head = keys->nb[2];
  a.convert_key = converter(*keys);
  a.values = data(values);
  a.value_cell = values->nb[1];
  a.value_head = values->nb[2];
  a.convert_value = converter(*values);
  a.mask = data(mask);
  a.mask_token = mask ? mask->nb[1] : 0;
  a.tokens = static_cast<int>(query->ne[1]);
  a.heads = static_cast<int>(query->ne[2]);
  a.kv_heads = static_cast<int>(keys->ne[2]);
  a.cells = static_cast<int>(keys->ne[1]);
  a.key_size = static_cast<int>(keys->ne[0]);
  a.value_size = static_cast<int>(values->ne[0]);
  a.scale = scale;
  return a;
}

} // namespace

/// One attention node: what it computes, how that is divided, and how far its threads have come.
struct CpuAttention::Layer {
  CpuAttention* owner = nullptr;
  const ggml_tensor* node = nullptr;
  std::array<std::int32_t, GGML_MAX_OP_PARAMS / sizeof(std::int32_t)> call{}; // op_params for Layer
  Options options;

  Attention attention;
  const float* sinks = nullptr; // a score of each head that has no value
  int blocks = 0;               // of rows, of one head of keys and values
  int ranges = 0;               // of cells, of a block
  std::atomic<int> next = 0;
  std::vector<std::atomic<int>> left; // ranges of each block that are not computed
  std::vector<float> partials;
  std::atomic<int> done = 0; // threads that have left compute(), ever

  int parts() const { return attention.kv_heads * blocks * ranges; }
  std::size_t partial_size() const { return partial_floats(attention); }

  void prepare(int threads);
  AttentionPart part(int number) const;
  void combine(const AttentionPart& any, float* partials_of_block) const;
};

/// Looks at the tensors anew and divides the work: into blocks of rows, and, where those are too
/// few for the threads, into ranges of cells.
void CpuAttention::Layer::prepare(int threads) {
  done.load(); // what the threads did the last time comes before this
  attention = attention_of(*node, options.scale);
  sinks = node->src[4] ? static_cast<const float*>(node->src[4]->data) : nullptr;
  blocks = (attention.rows() + kRowBlock - 1) / kRowBlock;
  const int whole = attention.kv_heads * blocks;
  const int wanted = (threads * kPartsPerThread + whole - 1) / whole;
  ranges = threads == 1 ? 1 : std::clamp(wanted, 1, std::max(1, attention.cells / kFewestCells));
  if (std::cmp_less(left.size(), whole))
    left = std::vector<std::atomic<int>>(static_cast<std::size_t>(whole));
  for (auto& count : left)
    count = ranges;
  const std::size_t size = partial_size() * static_cast<std::size_t>(parts());
  if (partials.size() < size)
    partials.resize(size);
  next = 0;
}

/// The last rows first: behind a causal mask they see most.
AttentionPart CpuAttention::Layer::part(int number) const {
  const int block = blocks - 1 - number / ranges / attention.kv_heads;
  const int range = number % ranges;
  const int tiles = attention.cells / kCellTile;
  AttentionPart part;
  part.kv_head = number / ranges % attention.kv_heads;
  part.first_row = block * kRowBlock;
  part.rows = std::min(kRowBlock, attention.rows() - part.first_row);
  part.first_cell = tiles * range / ranges * kCellTile;
  part.end_cell = tiles * (range + 1) / ranges * kCellTile;
  return part;
}

/// Adds up the ranges of a block and writes its rows to the result.
void CpuAttention::Layer::combine(const AttentionPart& any, float* partials_of_block) const {
  const auto lanes = static_cast<std::size_t>(any.lanes());
  const auto size = static_cast<std::size_t>(attention.value_size);
  const auto group = static_cast<std::size_t>(attention.group());
  const auto heads = static_cast<std::size_t>(attention.heads);
  for (std::size_t lane = 0; std::cmp_less(lane, any.rows); ++lane) {
    const std::size_t row = static_cast<std::size_t>(any.first_row) + lane;
    const std::size_t head = static_cast<std::size_t>(any.kv_head) * group + row % group;
    const float sink = sinks ? sinks[head] * std::numbers::log2e_v<float> : -INFINITY;
    float maximum = sink;
    for (int range = 0; range < ranges; ++range)
      maximum =
          std::max(maximum, partials_of_block[static_cast<std::size_t>(range) * partial_size() +
                                              size * lanes + lane]);
    float* const result = static_cast<float*>(node->data) + (row / group * heads + head) * size;
    std::fill_n(result, size, 0.0F);
    float total = sinks ? std::exp2(sink - maximum) : 0.0F;
    for (int range = 0; range < ranges; ++range) {
      const float* const partial =
          partials_of_block + static_cast<std::size_t>(range) * partial_size();
      const float before = partial[size * lanes + lane];
      if (before == -INFINITY)
        continue; // sees nothing here
      const float weight = std::exp2(before - maximum);
      total += weight * partial[(size + 1) * lanes + lane];
      for (std::size_t i = 0; i < size; ++i)
        result[i] += weight * partial[i * lanes + lane];
    }
    const float norm = total > 0 ? 1 / total : 0;
    for (std::size_t i = 0; i < size; ++i)
      result[i] *= norm;
  }
}

std::unique_ptr<CpuAttention> CpuAttention::create(int threads) {
  const auto kernels = attention_kernels();
  if (kernels.empty())
    return nullptr;
  return std::unique_ptr<CpuAttention>(new CpuAttention(kernels.front().attend, threads));
}

CpuAttention::CpuAttention(AttentionKernel kernel, int threads)
    : kernel_(kernel), threads_(threads), scratch_(static_cast<std::size_t>(threads)) {}

CpuAttention::~CpuAttention() = default;

/// Runs on each of ggml's threads.
void CpuAttention::compute(ggml_tensor*, int thread, int, void* user) {
  Layer& layer = *static_cast<Layer*>(user);
  float* const scratch = layer.owner->scratch_[static_cast<std::size_t>(thread)].data();
  const std::size_t size = layer.partial_size();
  for (int number = layer.next++; number < layer.parts(); number = layer.next++) {
    const AttentionPart part = layer.part(number);
    layer.owner->kernel_(layer.attention, part, scratch,
                         layer.partials.data() + static_cast<std::size_t>(number) * size);
    const int block = number / layer.ranges;
    if (--layer.left[static_cast<std::size_t>(block)] == 0)
      layer.combine(part,
                    layer.partials.data() + static_cast<std::size_t>(block * layer.ranges) * size);
  }
  ++layer.done;
}

/// Makes an attention node one of ours. A graph may be computed again as it is: then its nodes are
/// ours already.
void CpuAttention::take(ggml_tensor* node) {
  auto place = std::ranges::find(layers_, node, [](const auto& layer) { return layer->node; });
  const bool ours =
      place != layers_.end() && node->op == GGML_OP_CUSTOM &&
      std::memcmp(node->op_params, (*place)->call.data(), sizeof(node->op_params)) == 0;
  if (!ours) {
    if (node->op != GGML_OP_FLASH_ATTN_EXT || !supported(*node))
      return;
    if (place == layers_.end()) {
      layers_.push_back(std::make_unique<Layer>());
      place = std::prev(layers_.end());
    }
    Layer& layer = **place;
    layer.owner = this;
    layer.node = node;
    layer.options = options_of(*node);
    // The parameters of such an operation are ggml's own affair: it makes one, and we copy them.
    const std::unique_ptr<ggml_context, Free> context(
        ggml_init({2 * ggml_tensor_overhead(), nullptr, true}));
    const ggml_tensor* pattern = ggml_custom_4d(context.get(), node->type, 1, 1, 1, 1, nullptr, 0,
                                                compute, threads_, &layer);
    static_assert(sizeof(layer.call) == sizeof(node->op_params));
    std::memcpy(layer.call.data(), pattern->op_params, sizeof(node->op_params));
    std::memcpy(node->op_params, pattern->op_params, sizeof(node->op_params));
    node->op = GGML_OP_CUSTOM;
  }
  Layer& layer = **place;
  layer.prepare(threads_);
  for (auto& scratch : scratch_)
    if (scratch.size() < scratch_floats(layer.attention))
      scratch.resize(scratch_floats(layer.attention));
}

bool CpuAttention::on_node(ggml_tensor* node, bool ask, void* self) {
  if (ask && (node->op == GGML_OP_FLASH_ATTN_EXT || node->op == GGML_OP_CUSTOM))
    static_cast<CpuAttention*>(self)->take(node);
  return false;
}

} // namespace anyclaude::engine
