export default function Page() {
  return <h1>Ask</h1>;
}
