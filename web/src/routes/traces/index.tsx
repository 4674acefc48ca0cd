export default function Traces() {
  return <h1 className="pane">Traces</h1>;
}
