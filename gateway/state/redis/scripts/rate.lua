-- uses: window
-- One rate window by itself: take within a limit, count, or add without one.
--
-- KEYS  window; dirty when it is a tenant's
-- ARGV  now (Unix s), seconds, count, limit ('' for none), window's name
-- gives {total, kind of shortage (1 with a time, 2 never), free_at}
local w = open_window(KEYS[1], tonumber(ARGV[2]), tonumber(ARGV[1]))
local count, limit = tonumber(ARGV[3]), tonumber(ARGV[4])
if not limit or w.total + count <= limit then
  add(w, count, ARGV[5], KEYS[2])
  return { w.total, 0, 0 }
end
if count > limit then return { w.total, 2, 0 } end
return { w.total, 1, free_at(w, w.total + count - limit) }
