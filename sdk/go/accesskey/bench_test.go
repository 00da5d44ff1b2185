package accesskey

import "testing"

func BenchmarkSign(b *testing.B) {
	key, m := generate(b), message()
	b.ReportAllocs()
	for b.Loop() {
		s, err := key.Sign(Params{Profile: Request, Created: 1000, Expires: 1060}, m)
		if err != nil || s.Input() == "" || s.Text() == "" {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	key, m := generate(b), message()
	s := sign(b, key, Params{Profile: Request, Created: 1000, Expires: 1060}, m)
	input, text := s.Input(), s.Text()
	b.ReportAllocs()
	for b.Loop() {
		s, err := ParseSignature(input, text)
		if err != nil || !s.Verify(key.PublicKey(), m) {
			b.Fatal(err)
		}
	}
}
