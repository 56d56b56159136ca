#pragma once

#include <cstddef>
#include <ostream>
#include <string>
#include <vector>

namespace sluice::cli {

enum class Color { kNone, kBold, kDim, kRed, kGreen, kYellow };

// `text` in a colour, where colours are wanted.
std::string Colored(std::string text, Color color, bool wanted);

struct Cell {
  Cell(std::string what, Color how = Color::kNone) : text(std::move(what)), color(how) {}
  Cell(const char* what) : text(what) {}
  std::string text;
  Color color = Color::kNone;
};

enum class Align { kLeft, kRight };

struct Column {
  std::string title;
  Align align = Align::kLeft;
  size_t width = 0;  // at least
};

// Prints rows in aligned columns as they come. The first `held` rows are kept back until it is
// known how wide they are; a later row that is wider moves the columns from there on. Used by
// one thread. Text is made printable; what is last in a row is not padded.
class Table final {
 public:
  Table(std::vector<Column> columns, std::ostream* out /* Not owned. */, bool color,
        size_t held = 1000);
  ~Table() { Flush(); }
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  // As many cells as there are columns, or fewer.
  void Row(std::vector<Cell> cells);
  // A line of its own between the rows.
  void Line(const Cell& cell);
  // Prints what is held back, the titles at least, and holds nothing back from now on.
  void Flush();

 private:
  void Widen(const std::vector<Cell>& cells);
  void Print(const std::vector<Cell>& cells);

  std::vector<Column> columns_;
  std::ostream* const out_;
  const bool color_;
  size_t held_;
  bool titled_ = false;
  std::vector<std::vector<Cell>> rows_;  // held back; a Line is a row of one cell past the columns
};

}  // namespace sluice::cli
