#pragma once

#include <cstddef>
#include <ostream>
#include <string>
#include <vector>

namespace sluice::cli {

enum class Color { kNone, kBold, kDim, kRed, kGreen, kYellow };

// `text` in a colour, if colours are wanted.
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

// Prints rows in aligned columns as they come. Holds back the first `held` rows until their width
// is known; a later row that is wider shifts the columns from there on. Makes text printable. Does
// not pad the last cell of a row. Used by one thread.
class Table final {
 public:
  Table(std::vector<Column> columns, std::ostream* out /* Not owned. */, bool color,
        size_t held = 1000);
  ~Table() { Flush(); }
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  // At most as many cells as there are columns.
  void Row(std::vector<Cell> cells);
  // Prints a separate line between the rows.
  void Line(const Cell& cell);
  // Prints at least the titles and all rows held back, and holds nothing back from now on.
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
