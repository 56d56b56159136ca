#include "clients/cli/format/table.h"

#include <algorithm>
#include <utility>

#include "clients/cli/format/text.h"
#include "proto/text/text.h"

namespace sluice::cli {
namespace {

const char* Code(Color color) {
  switch (color) {
    case Color::kNone:
      return "";
    case Color::kBold:
      return "\x1b[1m";
    case Color::kDim:
      return "\x1b[2m";
    case Color::kRed:
      return "\x1b[31m";
    case Color::kGreen:
      return "\x1b[32m";
    case Color::kYellow:
      return "\x1b[33m";
  }
  return "";
}

}  // namespace

std::string Colored(std::string text, Color color, bool wanted) {
  if (!wanted || color == Color::kNone || text.empty()) return text;
  return Code(color) + std::move(text) + "\x1b[0m";
}

Table::Table(std::vector<Column> columns, std::ostream* out, bool color, size_t held)
    : columns_(std::move(columns)), out_(out), color_(color), held_(held) {
  for (Column& column : columns_) column.width = std::max(column.width, column.title.size());
}

void Table::Row(std::vector<Cell> cells) {
  cells.erase(cells.begin() + std::min(cells.size(), columns_.size()), cells.end());
  for (Cell& cell : cells) cell.text = OneLine(cell.text);
  Widen(cells);
  if (held_ == 0) {
    Flush();
    Print(cells);
    return;
  }
  rows_.push_back(std::move(cells));
  if (rows_.size() >= held_) Flush();
}

void Table::Line(const Cell& cell) {
  Flush();
  *out_ << Colored(OneLine(cell.text), cell.color, color_) << '\n';
}

void Table::Flush() {
  held_ = 0;
  if (!titled_) {
    titled_ = true;
    std::vector<Cell> titles;
    for (const Column& column : columns_) titles.emplace_back(column.title, Color::kBold);
    Print(titles);
  }
  for (const std::vector<Cell>& row : std::exchange(rows_, {})) Print(row);
}

void Table::Widen(const std::vector<Cell>& cells) {
  for (size_t i = 0; i < cells.size(); ++i) {
    columns_[i].width = std::max(columns_[i].width, DisplayWidth(cells[i].text));
  }
}

void Table::Print(const std::vector<Cell>& cells) {
  std::string line;
  size_t owed = 0;  // spaces due before the next text; not printed at the end of a line
  for (size_t i = 0; i < cells.size(); ++i) {
    if (i > 0) owed += 2;
    const size_t fill =
        columns_[i].width - std::min(columns_[i].width, DisplayWidth(cells[i].text));
    if (columns_[i].align == Align::kRight) owed += fill;
    if (!cells[i].text.empty()) {
      line.append(std::exchange(owed, 0), ' ');
      line += Colored(cells[i].text, cells[i].color, color_);
    }
    if (columns_[i].align == Align::kLeft) owed += fill;
  }
  *out_ << line << '\n';
}

}  // namespace sluice::cli
