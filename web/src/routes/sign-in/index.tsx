export default function SignIn() {
  return <h1 className="pane">SignIn</h1>;
}
