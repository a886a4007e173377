import COpenSSL

/// An object that OpenSSL allocated, freed when the value goes away.
///
/// The pointer never leaves this target: what callers of `PKI` get are values.
@safe
struct OpenSSLObject: ~Copyable {
    let pointer: OpaquePointer
    private let free: (OpaquePointer) -> Void

    /// Takes ownership of what an OpenSSL call returned; a null pointer is that call's failure.
    init(
        _ pointer: OpaquePointer?, freedBy free: @escaping (OpaquePointer) -> Void, _ action: String
    ) throws(PKIError) {
        guard let pointer = unsafe pointer else { throw PKIError.openSSL(action) }
        unsafe self.pointer = pointer
        unsafe self.free = free
    }

    deinit { unsafe free(pointer) }
}

extension OpenSSLObject {
    /// A memory BIO that reads a copy of `bytes`.
    static func reading(_ bytes: [UInt8]) throws(PKIError) -> OpenSSLObject {
        let bio = try writing()
        let written = unsafe bytes.withUnsafeBytes { unsafe BIO_write(bio.pointer, $0.baseAddress, Int32($0.count)) }
        guard written == Int32(bytes.count) || bytes.isEmpty else { throw PKIError.openSSL("copy into a buffer") }
        return bio
    }

    /// An empty memory BIO to write to.
    static func writing() throws(PKIError) -> OpenSSLObject {
        try unsafe OpenSSLObject(BIO_new(BIO_s_mem()), freedBy: { unsafe _ = BIO_free($0) }, "allocate a buffer")
    }

    /// What was written to a memory BIO.
    func contents() -> [UInt8] {
        var data: UnsafePointer<CChar>?
        let count = unsafe certctl_bio_contents(pointer, &data)
        guard count > 0, let data = unsafe data else { return [] }
        return unsafe data.withMemoryRebound(to: UInt8.self, capacity: count) {
            unsafe Array(UnsafeBufferPointer(start: $0, count: count))
        }
    }
}

/// The DER form that one of OpenSSL's `i2d_` functions writes, called once for the length and once for the bytes.
func encoded(
    _ action: String, _ i2d: (UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>?) -> Int32
) throws(PKIError) -> [UInt8] {
    let length = i2d(nil)
    guard length > 0 else { throw PKIError.openSSL(action) }
    var bytes = [UInt8](repeating: 0, count: Int(length))
    let written = unsafe bytes.withUnsafeMutableBufferPointer { buffer in
        var position = buffer.baseAddress
        return unsafe i2d(&position)
    }
    guard written == length else { throw PKIError.openSSL(action) }
    return bytes
}
