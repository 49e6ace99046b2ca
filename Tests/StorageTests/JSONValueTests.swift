import Storage
import Testing

@Suite struct JSONValueTests {
  @Test func orderAndSpellingOfNumbersSurvive() throws {
    let text = #"{"b":1.50,"a":[true,false,null,-0,1e5,"x\"\\\n\u0001"],"c":{}}"#
    #expect(try JSONValue.parse(text).compact == text)
    #expect(try JSONValue.parse(" \n{ \"b\" : [ ] }\t").compact == #"{"b":[]}"#)
  }

  @Test func prettyTextIsIndentedByTwo() throws {
    #expect(
      try JSONValue.parse(#"{"a":[1,{"b":2}],"c":[],"d":{}}"#).pretty == """
        {
          "a": [
            1,
            {
              "b": 2
            }
          ],
          "c": [],
          "d": {}
        }

        """)
  }

  @Test func escapesAreRead() throws {
    #expect(try JSONValue.parse(#""\u00e9\ud83d\ude00\/\b\f""#) == .string("é😀/\u{8}\u{C}"))
  }

  @Test(arguments: [
    ("", "the document ends where a value should be at byte 0"), ("{", "a name in quotes is missing at byte 1"),
    (#"{"a" 1}"#, "a colon is missing at byte 5"), ("[1 2]", "a comma or a closing bracket is missing at byte 3"),
    ("[1,]", "no value begins like this at byte 3"), ("01", "something follows the document at byte 1"),
    ("-", "a digit is missing at byte 1"),
    ("1.", "a digit is missing at byte 2"), ("1e+", "a digit is missing at byte 3"),
    ("tru", "no value begins like this at byte 0"),
    (#""a"#, "a text has no closing quote at byte 2"),
    ("\"\n\"", "a control character stands unescaped in a text at byte 2"),
    (#""\x""#, "an unknown escape in a text at byte 3"), (#""\ud83d""#, "half a surrogate pair at byte 7"),
    (#""\u+123""#, "four hexadecimal digits are missing at byte 3"),
    (#"{"a":1,"a":2}"#, "the name \"a\" occurs twice at byte 10"),
    ("{} {}", "something follows the document at byte 3"),
  ])
  func whatIsNotJSONIsRefusedWithItsPlace(text: String, problem: String) {
    let error = #expect(throws: JSONProblem.self) { try JSONValue.parse(text) }
    #expect(error?.description == problem)
  }

  @Test func damagedUTF8AndDeepNestingAreRefused() {
    #expect(throws: JSONProblem.self) { try JSONValue.parse([0x22, 0xFF, 0x22]) }
    #expect(throws: JSONProblem.self) { try JSONValue.parse(String(repeating: "[", count: 100_000)) }
  }

  @Test func numbersAreIntegersOnlyWhenTheyAre() throws {
    #expect(try JSONValue.parse("9007199254740993").integer == 9_007_199_254_740_993)
    #expect(try JSONValue.parse("2.0").integer == 2)
    #expect(try JSONValue.parse("2.5").integer == nil)
    #expect(try JSONValue.parse("1e400").integer == nil)
    #expect(JSONValue.float(Float(0.1)).compact == "0.1")
    #expect(JSONValue.float(Double.nan).compact == "null")
  }
}
