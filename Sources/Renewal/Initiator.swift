/// Who started a run: the timer, or anybody else.
package enum Initiator: String, Codable, Sendable {
    case timer
    case manual

    /// certctl 0.1.0 wrote `terminal` for a manual run.
    package init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(String.self)
        guard let initiator = text == "terminal" ? .manual : Initiator(rawValue: text) else {
            throw DecodingError.dataCorrupted(
                DecodingError.Context(codingPath: decoder.codingPath, debugDescription: "\(text) starts no run"))
        }
        self = initiator
    }
}
