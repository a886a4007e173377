/// The header fields of a request or a response, in order, duplicates included.
///
/// Names are compared without regard to case, as RFC 9110 §5.1 has it.
package struct HTTPHeaders: Sendable, Equatable, ExpressibleByDictionaryLiteral {
    /// One header field.
    package struct Field: Sendable, Equatable {
        /// The name as it was written or received; HTTP/2 has only lower case.
        package let name: String
        /// The value without the white space around it.
        package let value: String
    }

    /// All fields in their order.
    package private(set) var fields: [Field]

    /// The fields of a literal, in its order; a name may occur more than once.
    package init(dictionaryLiteral elements: (String, String)...) {
        fields = elements.map { name, value in Field(name: name, value: value) }
    }

    /// The value of the first field of that name.
    package subscript(name: String) -> String? {
        fields.first { $0.name.isSameHeaderName(as: name) }?.value
    }

    /// The values of all fields of that name, in order.
    ///
    /// A value is not split at its commas: `Link: <a>, <b>` is one.
    package func all(_ name: String) -> [String] {
        fields.filter { $0.name.isSameHeaderName(as: name) }.map(\.value)
    }

    /// Adds a field at the end, beside any of the same name.
    package mutating func append(name: String, value: String) {
        fields.append(Field(name: name, value: value))
    }

    /// Lengthens the last field's value by a line that was folded (RFC 9112 §5.2).
    mutating func unfold(_ continuation: String) {
        guard let last = fields.popLast() else { return }
        append(name: last.name, value: "\(last.value) \(continuation)")
    }
}

extension String {
    fileprivate func isSameHeaderName(as other: String) -> Bool {
        utf8.count == other.utf8.count && lowercased() == other.lowercased()
    }
}
