import Storage
import Testing

@Test func textTablesAlignTheirColumns() {
  var table = TextTable(["name", "s"])
  table.add(["a", "12.5"])
  table.add(["longer", ""])
  #expect(table.lines == ["name    s", "──────  ────", "a       12.5", "longer"])
}
