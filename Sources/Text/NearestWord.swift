extension String {
    /// The word of a list that this one is a misspelling of, with so many letters wrong at most; nil where none is near enough.
    package func nearest(in words: some Sequence<String>, most: Int) -> String? { nearest(in: words) { _ in most } }

    /// The same with a limit for each word.
    package func nearest(in words: some Sequence<String>, most: (String) -> Int) -> String? {
        let bytes = Array(utf8)
        let near = words.compactMap { word -> (word: String, distance: Int)? in
            let limit = most(word)
            let distance = String.distance(bytes, Array(word.utf8), most: limit)
            return distance <= limit ? (word, distance) : nil
        }
        return near.min { ($0.distance, $0.word) < ($1.distance, $1.word) }?.word
    }

    /// How many letters have to be added, removed, changed or swapped with their neighbour (optimal string alignment).
    private static func distance(_ one: [UInt8], _ other: [UInt8], most: Int) -> Int {
        guard abs(one.count - other.count) <= most else { return .max }
        var rows = [Array(0...other.count)]
        for row in 0..<one.count {
            var line = [row + 1]
            for column in 0..<other.count {
                var least = Swift.min(line[column] + 1, rows[row][column + 1] + 1)
                least = Swift.min(least, rows[row][column] + (one[row] == other[column] ? 0 : 1))
                if row > 0, column > 0, one[row] == other[column - 1], one[row - 1] == other[column] {
                    least = Swift.min(least, rows[row - 1][column - 1] + 1)
                }
                line.append(least)
            }
            rows.append(line)
        }
        return rows[one.count][other.count]
    }
}
