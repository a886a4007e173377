/// A value as it stands on one line behind `key =`, other than in triple quotes.
///
/// ConfigObj finds its parts with a backtracking regular expression, which allows more than its manual says: quotes
/// inside quotes where what follows makes sense of them (`"a "b" c"` is `a "b" c`), and quotes inside list items.
/// This gives the result of that expression, in linear time.
struct ConfValue {
    let value: ConfFile.Value
    /// Where the value ends; white space and a comment may follow.
    let end: Int

    /// Reads the rest of a line; `nil` where ConfigObj finds the value badly quoted, or a list with nothing between commas.
    init?(_ text: ConfText) {
        let start = text.startIndex
        guard let lastItem = Self.lastItem(in: text) else {
            guard text.first == ",", text.onlyCommentFollows(start + 1) else { return nil }
            value = .list([])
            end = start + 1
            return
        }
        let last = Self.single(in: text, at: lastItem)
        if lastItem == start {
            value = .string(last?.string ?? "")
            end = last?.end ?? start
        } else {
            guard var items = Self.items(in: text[start..<lastItem]) else { return nil }
            if let last { items.append(last.string) }
            value = .list(items)
            end = last?.end ?? text.trimmingSpace(before: lastItem, notBelow: start)
        }
    }

    /// Where the expression stops to take list items that end in a comma: the place of the last item, which may be empty.
    ///
    /// Runs from right to left, so that what can follow a place is known when the place is reached.
    private static func lastItem(in text: ConfText) -> Int? {
        /// What is known of one kind of quote to the right: the last item that follows from the nearest one that can
        /// end a list item, and whether one ends the whole value.
        struct Closer {
            var lastItem: Int?
            var endsValue = false
        }
        var double = Closer()
        var single = Closer()
        // The nearest comma and `#` to the right, and the nearest thing that is not white space.
        var comma: (index: Int, lastItem: Int?)?
        var hash = text.endIndex
        var next = text.endIndex
        var lastItemFromNext: Int?
        var nextCanBeLast = true

        for index in text.indices.reversed() where !text[index].isConfSpace {
            let scalar = text[index]
            var lastItem: Int?
            var canBeLast = false
            switch scalar {
            case "\"", "'":
                var closer = scalar == "'" ? single : double
                lastItem = closer.lastItem
                canBeLast = closer.endsValue
                if next == text.endIndex || text[next] == "#" {
                    closer.endsValue = true
                } else if let comma, comma.index == next, let found = comma.lastItem {
                    closer.lastItem = found
                }
                if scalar == "'" { single = closer } else { double = closer }
            case ",":
                var found = lastItemFromNext ?? (nextCanBeLast ? next : nil)
                // An item may start with the white space behind its comma; then a quote in it is a plain one.
                if found == nil, next > index + 1, let comma, comma.index < hash { found = comma.lastItem }
                comma = (index, found)
            case "#":
                canBeLast = true
                hash = index
            default:
                if let comma, comma.index < hash { lastItem = comma.lastItem } else { canBeLast = true }
            }
            next = index
            lastItemFromNext = lastItem
            nextCanBeLast = canBeLast
        }
        return lastItemFromNext ?? (nextCanBeLast ? next : nil)
    }

    /// The item at `start` that ends the value, or `nil` where only a comment is left.
    private static func single(in text: ConfText, at start: Int) -> (string: String, end: Int)? {
        guard start < text.endIndex, text[start] != "#" else { return nil }
        guard text[start].isQuote else {
            let end = text.trimmingSpace(
                before: text.position(of: "#", from: start) ?? text.endIndex, notBelow: start + 1)
            return (text[start..<end].string, end)
        }
        var search = start + 1
        while let quote = text.position(of: text[start], from: search) {
            if text.onlyCommentFollows(quote + 1) { return (text[start + 1..<quote].string, quote + 1) }
            search = quote + 1
        }
        return nil
    }

    /// The items of a text in which each ends in a comma; `nil` where one is empty without quotes.
    private static func items(in text: ConfText) -> [String]? {
        var items: [String] = []
        // Kinds of quotes that end no further item: to look for them again for each item would take quadratic time.
        var spent: [Unicode.Scalar] = []
        var start = text.startIndex
        while start < text.endIndex {
            var comma: Int?
            let quote = text[start]
            if quote.isQuote, !spent.contains(quote) {
                var search = start + 1
                while comma == nil, let close = text.position(of: quote, from: search) {
                    let next = text.skippingSpace(from: close + 1)
                    if next < text.endIndex, text[next] == "," { comma = next }
                    search = close + 1
                }
                if comma == nil { spent.append(quote) }
            }
            guard let comma = comma ?? text.position(of: ",", from: start), comma > start else { return nil }
            let item = text[start..<text.trimmingSpace(before: comma, notBelow: start + 1)]
            items.append((quote.isQuote && item.last == quote ? item.dropFirst().dropLast() : item).string)
            start = text.skippingSpace(from: comma + 1)
        }
        return items
    }
}

/// The part of a triple-quoted value that one line holds.
enum TripleQuoted {
    /// The quote that a value starts with, if it is a triple one.
    static func quote(of text: ConfText) -> Unicode.Scalar? {
        guard let quote = text.first, quote.isQuote, text.count >= 3, text.prefix(3).allSatisfy({ $0 == quote }) else {
            return nil
        }
        return quote
    }

    /// Where the three quotes are that end the value: the first with nothing but a comment behind them.
    static func close(_ text: ConfText, from start: Int, quote: Unicode.Scalar) -> Int? {
        var search = start
        while let found = first(text, from: search, quote: quote) {
            if text.onlyCommentFollows(found + 3) { return found }
            search = found + 1
        }
        return nil
    }

    /// Where the first three quotes in a row are.
    static func first(_ text: ConfText, from start: Int, quote: Unicode.Scalar) -> Int? {
        var index = start
        while index + 3 <= text.endIndex {
            if text[index] == quote, text[index + 1] == quote, text[index + 2] == quote { return index }
            index += 1
        }
        return nil
    }
}
