//! Both back ends must agree: on every vector, and on 10,000 random inputs.

use super::*;

const ALGORITHMS: [Algorithm; 2] = [Algorithm::EcdsaP256, Algorithm::Ed25519];

/// A deterministic stream of bytes; quality does not matter here, repeatability does.
struct Stream(Digest);

impl Stream {
    fn block(&mut self) -> [u8; 32] {
        self.0 = Digest::of(self.0.as_bytes());
        *self.0.as_bytes()
    }
}

#[test]
fn back_ends_agree_on_10_000_random_inputs() {
    let mut stream = Stream(Digest::of(b"back ends"));
    for round in 0..10_000u32 {
        let algorithm = ALGORITHMS[round as usize % 2];
        let secret = stream.block();
        let native = native::SigningKey::parse(algorithm, &secret).unwrap();
        let pure = pure::SigningKey::parse(algorithm, &secret).unwrap();
        let public = native.public_key().unwrap();
        assert_eq!(public, pure.public_key().unwrap());

        let message = &stream.block()[..round as usize % 33];
        let mut signature = if round % 4 < 2 { native.sign(message) } else { pure.sign(message) }.unwrap();
        let broken = round % 5 == 0;
        if broken {
            let noise = stream.block();
            let at = noise[0] as usize % signature.len();
            signature[at] ^= 1 << (noise[1] % 8);
        }
        let a = native::VerifyingKey::parse(algorithm, &public).unwrap();
        let b = pure::VerifyingKey::parse(algorithm, &public).unwrap();
        assert_eq!(a.verify(message, &signature).is_some(), !broken, "native, round {round}");
        assert_eq!(b.verify(message, &signature).is_some(), !broken, "pure, round {round}");
        assert_eq!(a.p256_spki(), b.p256_spki());
    }
}

#[test]
fn back_ends_agree_on_what_is_a_p256_point() {
    let mut stream = Stream(Digest::of(b"points"));
    let mut valid = 0;
    for _ in 0..500 {
        let block = stream.block();
        let bytes = [&[2 | (block[0] & 1)], &block[..]].concat();
        let native = native::VerifyingKey::parse(Algorithm::EcdsaP256, &bytes).is_some();
        assert_eq!(native, pure::VerifyingKey::parse(Algorithm::EcdsaP256, &bytes).is_some());
        valid += u32::from(native);
    }
    assert!((150..350).contains(&valid), "about half of all x are on the curve, not {valid}");
}

#[test]
fn zero_and_the_order_are_no_scalars() {
    let order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
    let mut bytes = [0; 32];
    for hex_text in ["00".repeat(32), order.to_owned(), "ff".repeat(32)] {
        hex::decode_to_slice(hex_text, &mut bytes).unwrap();
        assert!(SecretKey::from_bytes(Algorithm::EcdsaP256, bytes).is_err());
        assert!(pure::SigningKey::parse(Algorithm::EcdsaP256, &bytes).is_none());
    }
}

#[test]
fn text_forms_round_trip_and_are_the_only_ones() {
    for algorithm in ALGORITHMS {
        let key = SecretKey::from_bytes(algorithm, [7; 32]).unwrap();
        let text = key.public().to_string();
        assert_eq!(text.parse::<PublicKey>().unwrap(), *key.public());
        assert_eq!(key.to_secret_text().parse::<SecretKey>().unwrap().public(), key.public());
        let signature = key.sign(b"message").unwrap();
        assert_eq!(signature.to_string().parse::<Signature>().unwrap(), signature);
        key.public().verify(b"message", &signature).unwrap();
        key.public().verify(b"massage", &signature).unwrap_err();
        for bad in
            [text.to_uppercase(), text[..text.len() - 1].to_owned(), format!("{text}="), format!("x{text}")]
        {
            assert!(bad.parse::<PublicKey>().is_err(), "{bad}");
        }
    }
    // Non-canonical base64: the last character's spare bits are set.
    assert!("ed25519:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=".parse::<PublicKey>().is_err());
    assert!("ed25519:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".parse::<PublicKey>().is_ok());
}

#[test]
fn a_secret_is_not_shown_by_debug_or_errors() {
    let key = SecretKey::from_bytes(Algorithm::EcdsaP256, [7; 32]).unwrap();
    let text = key.to_secret_text();
    assert!(!format!("{key:?}").contains(&text[12..]));
    let error = format!("{text}x").parse::<SecretKey>().unwrap_err();
    assert!(!error.to_string().contains(&text[12..40]));
}
