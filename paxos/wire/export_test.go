package wire

import "slices"

// HandKinds are the kinds whose bodies are written by hand.
func HandKinds() (kinds []Kind) {
	for k := range hands {
		kinds = append(kinds, k)
	}
	slices.Sort(kinds)
	return kinds
}

// EncodeHand and DecodeHand do by hand what AppendValue and DecodeReference do by reflection.
func EncodeHand(kind Kind, v any) []byte { return hands[kind].encode(v) }

func DecodeHand(kind Kind, b []byte, share bool) (any, error) { return hands[kind].decode(b, share) }

func DecodeReference(kind Kind, b []byte) (any, error) { return hands[kind].reference(b) }
