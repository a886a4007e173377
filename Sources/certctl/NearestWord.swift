/// The word that was probably meant by one that is unknown.
enum NearestWord {
    /// The nearest candidate; nil if none is near: with more than a third of its letters wrong it is another word.
    static func find(_ word: String, among candidates: [String]) -> String? {
        let ranked = candidates.map { (word: $0, distance: distance(Array(word.lowercased()), Array($0))) }
        guard let best = ranked.min(by: { $0.distance < $1.distance }) else { return nil }
        return best.distance <= max(1, max(word.count, best.word.count) / 3) ? best.word : nil
    }

    /// How many letters are inserted, removed, replaced or swapped with their neighbour (optimal string alignment).
    private static func distance(_ a: [Character], _ b: [Character]) -> Int {
        // A hostile word is not worth a table of its size.
        guard a.count < 100 else { return a.count }
        var rows = [Array(0...b.count)]
        for i in 0..<a.count {
            var row = [i + 1]
            for j in 0..<b.count {
                var best = min(rows[i][j + 1] + 1, row[j] + 1, rows[i][j] + (a[i] == b[j] ? 0 : 1))
                if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { best = min(best, rows[i - 1][j - 1] + 1) }
                row.append(best)
            }
            rows.append(row)
        }
        return rows[a.count][b.count]
    }
}
