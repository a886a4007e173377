import Lineages
import Renewal
import Text

/// The settings in a unit's file and in its drop-ins, each with its place, in the order in which systemd reads them.
struct UnitLines: Sendable {
    struct Line: Equatable, Sendable {
        let file: String
        let number: Int
        let key: String
        let value: String
    }

    private let lines: [Line]

    init(_ files: [String]) {
        lines = files.flatMap { file in
            let text = (try? FileSystem.read(file)).map { String(decoding: $0, as: UTF8.self) } ?? ""
            return text.split(separator: "\n", omittingEmptySubsequences: false).enumerated().compactMap {
                index, line -> Line? in
                guard let first = line.first, first != "#", first != ";", let mark = line.firstIndex(of: "=") else {
                    return nil
                }
                return Line(
                    file: file, number: index + 1, key: line[..<mark].trimmed,
                    value: line[line.index(after: mark)...].trimmed)
            }
        }
    }

    /// The last line that sets one of these keys, to a value that fits.
    func last(_ keys: Set<String>, where fits: (String) -> Bool = { _ in true }) -> UnitFile? {
        lines.last { keys.contains($0.key) && fits($0.value) }.map {
            UnitFile(place: "\($0.file):\($0.number)", line: "\($0.key)=\($0.value)")
        }
    }
}
