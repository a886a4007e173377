/// Why a part of the rig did not do what it was asked: the part, the cause, and the end of its log where it has one.
package struct RigError: Error, CustomStringConvertible {
    package let description: String

    package init(_ description: String) {
        self.description = description
    }
}
