#include "server/calls/field_reader.h"

namespace sluice::server {
namespace {

// False if the message is unreadable.
bool Count(std::string_view message, const int* path, const int* end, size_t* count) {
  return ReadFields(message, [&](FieldReader& field) {
    if (field.number() != *path) return field.Skip();
    return field.TakeMessage([&](std::string_view inner) {
      if (path + 1 != end) return Count(inner, path + 1, end, count);
      ++*count;
      return true;
    });
  });
}

}  // namespace

size_t CountFields(std::string_view message, std::initializer_list<int> path) {
  size_t count = 0;
  Count(message, path.begin(), path.end(), &count);
  return count;
}

}  // namespace sluice::server
