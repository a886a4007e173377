/// What one line of a file in the ConfigObj dialect is, a value's further lines aside.
enum ConfLine {
    /// Nothing, or only a comment.
    case blank
    case marker(SectionMarker)
    case assignment(Assignment)
    case junk

    /// Reads a line without its end.
    init(_ line: ConfText) {
        let start = line.skippingSpace(from: line.startIndex)
        if start == line.endIndex || line[start] == "#" {
            self = .blank
        } else if let marker = SectionMarker(line, at: start) {
            self = .marker(marker)
        } else if let assignment = Assignment(line, at: start) {
            self = .assignment(assignment)
        } else {
            self = .junk
        }
    }
}

/// The line that opens a section: `[name]`, `[[name]]`.
///
/// ConfigObj knows it by a regular expression with a lazy name, so `[a] b]` is a section called `a] b`, while
/// `[a] = b` is a key. This reads what that expression reads, in linear time.
struct SectionMarker {
    let name: String
    /// How many brackets open it, which is its depth.
    let opening: Int
    /// How many brackets close it; another number than `opening` is an error.
    let closing: Int

    init?(_ line: ConfText, at start: Int) {
        var opening = 0
        var lastBracket = start
        var nameStart = start
        while nameStart < line.endIndex, line[nameStart] == "[" {
            opening += 1
            lastBracket = nameStart
            nameStart = line.skippingSpace(from: nameStart + 1)
        }
        guard opening > 0 else { return nil }
        if nameStart < line.endIndex {
            if line[nameStart].isQuote {
                if let (quote, closing) = Self.closingQuote(line, opened: nameStart) {
                    name = line[nameStart + 1..<quote].string
                    (self.opening, self.closing) = (opening, closing)
                    return
                }
            } else if let (end, closing) = Self.closing(line, from: nameStart + 1) {
                name = line[nameStart..<end].string
                (self.opening, self.closing) = (opening, closing)
                return
            }
        }
        // With no name behind the last bracket, that bracket is the start of the name.
        guard opening > 1, let (end, closing) = Self.closing(line, from: lastBracket + 1) else { return nil }
        name = line[lastBracket..<end].string
        (self.opening, self.closing) = (opening - 1, closing)
    }

    /// The first place from `start` on where closing brackets end the line, and how many there are.
    private static func closing(_ line: ConfText, from start: Int) -> (end: Int, brackets: Int)? {
        var end = start
        while true {
            let (brackets, next) = brackets(line, at: end)
            if brackets > 0, next == line.endIndex || line[next] == "#" { return (end, brackets) }
            guard next < line.endIndex else { return nil }
            end = next + 1
        }
    }

    /// The quote that ends a quoted name, which must hold more than white space.
    private static func closingQuote(_ line: ConfText, opened: Int) -> (quote: Int, brackets: Int)? {
        var search = line.skippingSpace(from: opened + 1) + 1
        while let quote = line.position(of: line[opened], from: search) {
            let (brackets, next) = brackets(line, at: quote + 1)
            if brackets > 0, next == line.endIndex || line[next] == "#" { return (quote, brackets) }
            search = quote + 1
        }
        return nil
    }

    /// How many closing brackets follow, white space between them or not, and where the next other thing is.
    private static func brackets(_ line: ConfText, at start: Int) -> (count: Int, next: Int) {
        var next = line.skippingSpace(from: start)
        var count = 0
        while next < line.endIndex, line[next] == "]" {
            count += 1
            next = line.skippingSpace(from: next + 1)
        }
        return (count, next)
    }
}

/// A line `key = value`; what the value is, is not looked at here.
struct Assignment {
    let key: String
    /// Where the value starts, behind the white space that follows `=`.
    let value: Int

    init?(_ line: ConfText, at start: Int) {
        if line[start].isQuote {
            var search = start + 1
            while let quote = line.position(of: line[start], from: search) {
                let equals = line.skippingSpace(from: quote + 1)
                if equals < line.endIndex, line[equals] == "=" {
                    key = line[start + 1..<quote].string
                    value = line.skippingSpace(from: equals + 1)
                    return
                }
                search = quote + 1
            }
        }
        // ConfigObj's expression gives white space back to the key where the key cannot start otherwise: ` = b` has
        // the key ` `, and an indented `"a = b` the key ` "a`.
        let isPlain = !line[start].isQuote && line[start] != "="
        guard isPlain || start > line.startIndex,
            let equals = line.position(of: "=", from: isPlain ? start + 1 : start)
        else { return nil }
        let keyStart = isPlain ? start : start - 1
        key = line[keyStart..<line.trimmingSpace(before: equals, notBelow: keyStart + 1)].string
        value = line.skippingSpace(from: equals + 1)
    }
}
