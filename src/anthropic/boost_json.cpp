// What of Boost.JSON is no template: its own sources, which come as headers.
#include <boost/json/src.hpp>
