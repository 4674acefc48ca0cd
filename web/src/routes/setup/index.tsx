export default function Setup() {
  return <h1 className="pane">Setup</h1>;
}
