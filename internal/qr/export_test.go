package qr

// Version is the standard's name for the code's size, 1 to 40.
func (c Code) Version() int { return (c.size - 17) / 4 }

// Drawn is a picture of so many pixels a module, whatever a camera could make of it.
func (c Code) Drawn(scale int) ([]byte, error) { return c.draw(scale, c.Size()*scale) }
